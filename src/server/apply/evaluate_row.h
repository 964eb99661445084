// One waiting row against a target, as its submitter.
#pragma once

#include <vector>

#include "core/base/json.h"
#include "core/drift/kind.h"
#include "server/apply/queue.h"
#include "server/ingest/evaluate.h"

namespace mend::apply {

// Evaluates waiting rows without storing them. Keeps its buffers between rows.
class RowEvaluator {
 public:
  // Appends nothing when the row fits. Conversion runs as the row's submitter with the row's session
  // context, in a security-restricted operation, since domains bring user code. A row whose submitter
  // is gone is reported as one Constraint misfit.
  const std::vector<drift::Misfit>& Evaluate(const ingest::Target& target, const QueuedRow& row);
  const json::Document& payload() const { return document_; }

 private:
  json::Document document_;
  ingest::Row converted_;
  std::vector<drift::Misfit> misfits_;
};

}  // namespace mend::apply
