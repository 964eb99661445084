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
  return misfits_;
}

}  // namespace mend::apply
