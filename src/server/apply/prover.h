// What the payloads show of a patch, taken in one by one. For prove.cpp and speculative_proof.cpp.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/apply/evaluate_row.h"
#include "server/apply/prove.h"
#include "server/apply/stored_keys.h"

namespace mend::apply {

// The column that a field's values go to under the patch; empty when to none.
std::string ColumnUnder(const plan::Patch& patch, const table::Target& patched,
                        const std::string& field, const std::string& column);

// Whether the action is about the column; labels are about all columns of their enum.
bool IsAbout(const plan::Action& action, const table::Target& patched, const std::string& column,
             drift::Cause cause);

class Prover {
 public:
  Prover(const table::Target& target, const plan::Patch& patch);
  // Gives the row's misfits in the target as it is; their tokens are of payload().
  const std::vector<drift::Misfit>& Add(const queue::QueuedRow& row);
  const json::Document& payload() const { return patched_evaluator_.payload(); }
  // Takes in the samples of rescued values, judged as they will be when they are moved: as the
  // table's owner, who runs his own code alone.
  void AddRescuedSamples();
  Proof Finish();
  int64_t healed() const { return proof_.healed; }
  // Before the transaction ends, or the memory context is reset that was current when rows were
  // added.
  void LeaveIdentity();

 private:
  // What one submitter's rows show of the patch.
  struct Coverage {
    std::vector<SampleRow> rows;
    std::vector<bool> actions;
    size_t bytes = 0;
    bool may_insert = false;  // into every column, also a new one
  };

  // An object of one field, whose value is rescued: stored already, it is no row to replay.
  void AddRescued(const queue::QueuedRow& row);
  // The same of rescued values of which none is at hand.
  void CreditRescued(const drift::Misfit& misfit) { Credit(misfit, &proof_.action_helps_rescued); }
  // That rows of the queue fail for another reason refutes no action that rescued values need.
  void LeaveRescued(std::vector<SampleRow>* rows) const;
  static long Covered(const Coverage& coverage);
  // Whether the table would be rewritten for a row that cannot be stored. Once enough rows were
  // found that can be, no more are looked for.
  bool IsRefusedByKeys();
  void NoteUnfit(const drift::Misfit& misfit);
  // The action or mapping that a misfit of a healed row needed.
  void Credit(const drift::Misfit& misfit, std::vector<bool>* needed);
  void FindCredit(const drift::Misfit& misfit);
  std::vector<size_t> ActionsFor(const drift::Misfit& misfit) const;
  std::vector<size_t> MappingsFor(const drift::Misfit& misfit) const;
  // What is no misfit of a row any more that has others left.
  void CreditRelief(const std::vector<drift::Misfit>& misfits,
                    const std::vector<drift::Misfit>& left);
  // What a required column lacks, where a BEFORE trigger might fill it in, is no misfit before the
  // row is stored: an action for such a column counts as needed by a row that leaves it empty.
  void CreditUnseen(std::vector<bool>* needed);
  // Keeps the row when its submitter has room, or when it shows an action not yet shown. A row with
  // which the worker went down is tried alone, and only when there is no other.
  void Sample(const queue::QueuedRow& row, const std::vector<bool>& needed);

  const table::Target& target_;
  table::Target patched_;
  const plan::Patch& patch_;
  std::vector<char> touched_;
  std::optional<StoredKeys> stored_keys_;  // of a patch that rewrites the table
  size_t looked_up_ = 0, storable_ = 0;
  RowContext context_;
  RowEvaluator evaluator_{target_, &context_};
  RowEvaluator patched_evaluator_{patched_, &context_};
  std::map<Oid, Coverage> coverage_;
  std::vector<SampleRow> suspect_;
  Proof proof_;
  // The last misfit that credit was found for, which mostly comes again, and the actions that had
  // it.
  bool knows_credit_ = false;
  drift::Misfit credited_{};
  std::vector<size_t> credited_actions_;
};

}  // namespace mend::apply
