// One waiting row against a target, as its submitter.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/drift/kind.h"
#include "server/apply/submitter.h"
#include "server/ingest/evaluate.h"

namespace mend::apply {

// Whose code runs while rows are evaluated. Kept from row to row while their identity is the same,
// since to change it costs more than to convert a row. Between such rows nothing may run but what
// needs no right.
class RowContext {
 public:
  void Enter(const queue::QueuedRow& row);
  // WhyRefused(), asked once for rows of one identity.
  const std::optional<Refusal>& WhyNot(const queue::QueuedRow& row, Oid target,
                                       std::string_view target_name);
  // Before anything else is done, at the latest at the end of the transaction: what is known of a
  // role may change between transactions.
  void Leave() {
    entered_.reset();
    known_ = false;
  }

 private:
  bool IsSame(const queue::QueuedRow& row) const;

  // Of the last row that was asked about.
  bool known_ = false;
  Oid submitter_ = InvalidOid, session_submitter_ = InvalidOid;
  std::string submitted_by_, session_submitted_by_, target_name_, settings_, code_;
  std::optional<Refusal> why_not_;
  std::optional<pg::ForeignCode> entered_;
};

// Evaluates waiting rows against one target without storing them. Keeps its buffers between rows.
class RowEvaluator {
 public:
  // Evaluators that take turns share one context. The target must outlive it.
  RowEvaluator(const table::Target& target, RowContext* context)
      : target_(target), evaluator_(target), context_(*context) {}

  // Appends nothing when the row fits. Conversion runs with the row's identity, in a
  // security-restricted operation, since domains bring user code. A row that may not be replayed is
  // reported as one Constraint misfit.
  const std::vector<drift::Misfit>& Evaluate(const queue::QueuedRow& row);
  // The same of the row that another has just evaluated, whose payload is not read a second time.
  // Of a row that fits the other's target, only the flagged columns are converted, by index into
  // the shape of this one: the others are the same.
  const std::vector<drift::Misfit>& EvaluateAfter(const RowEvaluator& other,
                                                  const queue::QueuedRow& row,
                                                  const std::vector<char>& columns);
  const json::Document& payload() const { return document_; }
  // In payload(); none where it has none.
  json::Value record() const { return target_.enrollment().at.Find(document_.root()).value; }
  // Values are made from now on, so that key() is known.
  void WantRows() { wants_rows_ = true; }
  // Of the row that the last payload means, as ingest::Evaluator::Key().
  std::optional<int64_t> key() {
    return readable_ && evaluator_.KeepsOrder() ? evaluator_.Key() : std::nullopt;
  }
  // Of the last row, if it fits: whether it brings a value for a column of its target, or at least
  // a NULL. For targets with BEFORE triggers on INSERT alone: else nobody has kept what rows bring.
  bool Brings(const std::string& column, bool or_null) const;
  // Before the memory context is reset that was current when it evaluated.
  void ForgetMemory() { evaluator_.ForgetMemory(); }

 private:
  // Takes in a row; false when there is nothing to convert: the misfit says why.
  bool Read(const queue::QueuedRow& row);
  const std::vector<drift::Misfit>& Convert(const json::Document& payload,
                                            const queue::QueuedRow& row);
  void Expect(const queue::QueuedRow& row);
  // BEFORE triggers and defaults may fill in what is required: only storing a row shows what they
  // leave NULL, and the row remembers.
  void RecallMissing(const queue::QueuedRow& row);
  // Whether that may have a say, and wants to know which values the row brings.
  bool MayRecall(const queue::QueuedRow& row) const;

  const table::Target& target_;
  ingest::Evaluator evaluator_;
  RowContext& context_;
  json::Document document_;
  bool readable_ = false;
  bool wants_rows_ = false;
  table::Row converted_;
  std::vector<drift::Misfit> misfits_;
};

}  // namespace mend::apply
