// One waiting row against a target, as its submitter.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/drift/kind.h"
#include "server/apply/submitter.h"
#include "server/ingest/evaluate.h"

namespace mend::apply {

// The session context of the row under evaluation; kept from row to row while it is the same, since
// changing settings costs more than converting a row.
class RowContext {
 public:
  void Enter(const std::string& context);

 private:
  std::string json_;
  std::optional<SessionContext> entered_;
};

// Evaluates waiting rows without storing them. Keeps its buffers between rows.
class RowEvaluator {
 public:
  // Evaluators that take turns share one context.
  explicit RowEvaluator(RowContext* context) : context_(*context) {}

  // Appends nothing when the row fits. Conversion runs as the row's submitter with the row's session
  // context, in a security-restricted operation, since domains bring user code. A row whose submitter
  // is gone is reported as one Constraint misfit.
  const std::vector<drift::Misfit>& Evaluate(const ingest::Target& target, const QueuedRow& row);
  const json::Document& payload() const { return document_; }
  // Of the last row, if it fits: whether it brings a value for a column of its target, or at least a NULL.
  bool Brings(const ingest::Target& target, const std::string& column, bool or_null) const;

 private:
  // BEFORE triggers and defaults may fill in what is required: only storing a row shows what they leave NULL, and the row
  // remembers.
  void RecallMissing(const ingest::Target& target, const QueuedRow& row);

  RowContext& context_;
  json::Document document_;
  ingest::Row converted_;
  std::vector<drift::Misfit> misfits_;
};

}  // namespace mend::apply
