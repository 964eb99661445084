#include "server/heal/sample_rows.h"

namespace mend::heal {
namespace {

constexpr int kMaxTried = 8;

}  // namespace

Samples::Samples(const apply::Proof& proof) : waiting_{proof.sample} {
  waiting_.insert(waiting_.end(), proof.others.begin(), proof.others.end());
}

bool Samples::Next() {
  if (tried_ == kMaxTried || waiting_.empty()) {
    return false;
  }
  ++tried_;
  current_ = std::move(waiting_.front());
  waiting_.pop_front();
  return true;
}

std::vector<int64_t> Samples::ids() const {
  std::vector<int64_t> ids;
  for (const apply::SampleRow& row : current_) {
    ids.push_back(row.id);
  }
  return ids;
}

void Samples::TryFewOf(const std::vector<apply::SampleRow>& rows, bool from_end) {
  std::vector<apply::SampleRow> few;
  std::vector<bool> shown(rows.front().needs.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const apply::SampleRow& row = rows[from_end ? rows.size() - 1 - i : i];
    bool news = few.empty();
    for (size_t action = 0; action < shown.size(); ++action) {
      news = news || (row.needs[action] && !shown[action]);
      shown[action] = shown[action] || row.needs[action];
    }
    if (news) {
      few.push_back(row);
    }
  }
  waiting_.push_front(std::move(few));
}

void Samples::Split() {
  if (current_.size() > 1) {
    auto middle = current_.begin() + static_cast<std::ptrdiff_t>(current_.size() / 2);
    waiting_.emplace_back(current_.begin(), middle);
    waiting_.emplace_back(middle, current_.end());
  }
}

}  // namespace mend::heal
