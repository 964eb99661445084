#include "server/pg/transaction.h"

namespace mend::pg {
namespace {

constexpr uint64_t kRecentTransactions = 1000 * 1000 * 1000;

}  // namespace

Transaction::Transaction() {
  Call([] {
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
  });
}

Transaction::~Transaction() {
  if (open_) {
    // Cannot fail short of PANIC; a destructor must not throw.
    HOLD_INTERRUPTS();
    if (block_) {
      AbortOutOfAnyTransaction();
    } else {
      AbortCurrentTransaction();
    }
    RESUME_INTERRUPTS();
  }
}

void Transaction::BecomeBlock() {
  if (!block_) {
    Call([] {
      BeginTransactionBlock();
      CommitTransactionCommand();  // of the BEGIN: the transaction goes on
    });
    block_ = true;
  }
}

void Transaction::Commit() {
  Call([&] {
    if (ActiveSnapshotSet()) {
      PopActiveSnapshot();
    }
    if (block_) {
      EndTransactionBlock(false);
    }
    CommitTransactionCommand();
    // Else autovacuum never learns what a background worker has written.
    pgstat_report_stat(false);
  });
  open_ = false;
}

void Transaction::CommitUnflushed() {
  class Unflushed {
   public:
    Unflushed() { synchronous_commit = SYNCHRONOUS_COMMIT_OFF; }
    ~Unflushed() { synchronous_commit = before_; }
    Unflushed(const Unflushed&) = delete;
    Unflushed& operator=(const Unflushed&) = delete;

   private:
    int before_ = synchronous_commit;
  } unflushed;
  Commit();
}

void Transaction::CommitFlushed() {
  Commit();
  Call([] { XLogFlush(XactLastCommitEnd); });
}

void AwaitItsMessages(FullTransactionId transaction) {
  const uint64_t next = U64FromFullTransactionId(ReadNextFullTransactionId());
  const uint64_t number = U64FromFullTransactionId(transaction);
  // An older one has ended long since, and one that is yet to come was restored from another
  // cluster.
  if (number < next && next - number < kRecentTransactions) {
    AwaitItsMessages(XidFromFullTransactionId(transaction));
  }
}

void AwaitItsMessages(TransactionId transaction) {
  if (!TransactionIdIsNormal(transaction) || TransactionIdIsCurrentTransactionId(transaction)) {
    return;
  }
  Call([&] {
    XactLockTableWait(transaction, nullptr, nullptr, XLTW_None);
    AcceptInvalidationMessages();
  });
}

}  // namespace mend::pg
