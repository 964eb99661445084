#include "server/heal/shared_transaction.h"

namespace mend::heal {
namespace {

constexpr int64_t kYoungMs = 20;

}  // namespace

void SharedTransaction::Join() {
  if (!transaction_) {
    transaction_.emplace();
    age_.emplace();
  }
}

void SharedTransaction::CommitUnlessYoung() {
  if (transaction_ && age_->Ms() >= kYoungMs) {
    CommitUnflushed();
  }
}

void SharedTransaction::Commit() {
  if (transaction_) {
    transaction_->Commit();
    transaction_.reset();
  }
}

void SharedTransaction::CommitFlushed() {
  if (transaction_) {
    transaction_->CommitFlushed();
    transaction_.reset();
  }
}

void SharedTransaction::CommitUnflushed() {
  if (transaction_) {
    transaction_->CommitUnflushed();
    transaction_.reset();
  }
}

}  // namespace mend::heal
