#include "server/apply/evaluate_row.h"

namespace mend::apply {

void RowContext::Enter(const std::string& context) {
  if (entered_ && json_ == context) {
    return;
  }
  entered_.reset();
  entered_.emplace(context);
  json_ = context;
}

const std::vector<drift::Misfit>& RowEvaluator::Evaluate(const ingest::Target& target, const QueuedRow& row) {
  misfits_.clear();
  converted_.Clear();
  if (std::optional<std::string> foreign = WhyForeign(row, target.shape().relid, target.enrollment().target_name)) {
    misfits_.push_back({drift::Kind::Constraint, "", "", "42704", *foreign, 0});
    return misfits_;
  }
  if (auto failure = document_.Parse(row.payload)) {
    misfits_.push_back({drift::Kind::Malformed, "", "", "22P02", failure->message, 0});
    return misfits_;
  }
  pg::AsUser submitter(row.submitter, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
  context_.Enter(row.context);
  ingest::Evaluate(target, document_, &converted_, &misfits_);
  RecallMissing(target, row);
  return misfits_;
}

void RowEvaluator::RecallMissing(const ingest::Target& target, const QueuedRow& row) {
  if (row.kind != drift::Kind::MissingRequired || !target.shape().has_before_insert) {
    return;
  }
  const plan::Column* column = target.shape().Find(row.field);
  if (column == nullptr || !column->not_null) {
    return;
  }
  for (const drift::Misfit& misfit : misfits_) {
    if (misfit.column == column->name) {
      return;
    }
  }
  for (size_t i = 0; i < converted_.columns.size(); ++i) {
    if (&target.shape().columns[static_cast<size_t>(converted_.columns[i])] == column && converted_.nulls[i] == 0) {
      return;
    }
  }
  misfits_.push_back({drift::Kind::MissingRequired, column->name, column->name, "23502", row.error, 0});
}

}  // namespace mend::apply
