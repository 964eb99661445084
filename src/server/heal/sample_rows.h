// The rows that are stored under the lock to show that a patch is of use.
#pragma once

#include <deque>
#include <vector>

#include "server/apply/prove.h"

namespace mend::heal {

// What to replay under the lock, in the order of trying: one row, or one submitter, that cannot be
// stored (a deferred constraint, a lost privilege) must not fail the patch for all others.
class Samples {
 public:
  explicit Samples(const apply::Proof& proof);
  // False when there is none left, or enough were tried.
  bool Next();
  const std::vector<apply::SampleRow>& current() const { return current_; }
  std::vector<int64_t> ids() const;
  // Few of these rows, that show what all of them show, are tried next.
  void TryFewOf(const std::vector<apply::SampleRow>& rows, bool from_end);
  // The current one is tried again by halves, after the others.
  void Split();

 private:
  std::deque<std::vector<apply::SampleRow>> waiting_;
  std::vector<apply::SampleRow> current_;
  int tried_ = 0;
};

}  // namespace mend::heal
