// A proof that is made row by row, while the rows are read for something else too.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "server/apply/prove.h"

namespace mend::apply {

class Prover;

// Of one patch for one table, over transactions: LeaveIdentity() at the end of each.
class SpeculativeProof {
 public:
  SpeculativeProof(std::shared_ptr<const table::Target> target, plan::Patch patch);
  ~SpeculativeProof();
  SpeculativeProof(const SpeculativeProof&) = delete;
  SpeculativeProof& operator=(const SpeculativeProof&) = delete;

  // Takes in one row. Gives its misfits in the table as it is, whose tokens are of payload().
  const std::vector<drift::Misfit>& Add(const queue::QueuedRow& row);
  const json::Document& payload() const;
  // Before the transaction ends, or the memory is reset that was current when rows were added.
  void LeaveIdentity();

  // Whether the table is still the one that it was begun for.
  bool IsFor(const std::shared_ptr<const table::Target>& target) const { return target == target_; }
  bool IsOf(const table::Target& target, const plan::Patch& patch) const;
  // What the rows prove, if that is asked of this very patch; once.
  std::optional<Proof> Of(const table::Target& target, const plan::Patch& patch);

 private:
  std::shared_ptr<const table::Target> target_;
  plan::Patch patch_;
  std::unique_ptr<Prover> prover_;
};

}  // namespace mend::apply
