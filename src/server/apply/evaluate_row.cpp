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

bool RowEvaluator::Brings(const ingest::Target& target, const std::string& column, bool or_null) const {
  for (size_t i = 0; i < converted_.columns.size(); ++i) {
    if (target.shape().columns[static_cast<size_t>(converted_.columns[i])].name == column) {
      return or_null || converted_.nulls[i] == 0;
    }
  }
  return false;
}

void RowEvaluator::RecallMissing(const ingest::Target& target, const QueuedRow& row) {
  const plan::Column* column = target.shape().Find(row.field);
  if (row.kind != drift::Kind::MissingRequired || column == nullptr || !column->not_null ||
      !(target.shape().has_before_insert || column->has_default)) {
    return;
  }
  for (const drift::Misfit& misfit : misfits_) {
    if (misfit.column == column->name) {
      return;
    }
  }
  const bool gets_default = column->default_is_given && !Brings(target, column->name, true);
  if (gets_default || Brings(target, column->name, false)) {
    return;
  }
  misfits_.push_back({drift::Kind::MissingRequired, column->name, column->name, "23502", row.error, 0});
}

}  // namespace mend::apply
