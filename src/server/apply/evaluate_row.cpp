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

bool RowEvaluator::Read(const QueuedRow& row) {
  const std::string& target_name = target_.enrollment().target_name;
  if (row.submitter != known_ || row.submitted_by != known_as_ || row.target_name != target_name) {
    if (std::optional<std::string> foreign = WhyForeign(row, target_.shape().relid, target_name)) {
      misfits_.push_back({drift::Kind::Constraint, "", "", "42704", *foreign, 0});
      return false;
    }
    known_ = row.submitter;
    known_as_ = row.submitted_by;
  }
  if (auto failure = document_.Parse(row.payload)) {
    misfits_.push_back({drift::Kind::Malformed, "", "", "22P02", failure->message, 0});
    return false;
  }
  return true;
}

const std::vector<drift::Misfit>& RowEvaluator::Convert(const json::Document& payload, const QueuedRow& row) {
  pg::AsUser submitter(row.submitter, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
  context_.Enter(row.context);
  evaluator_.Evaluate(payload.root(), &converted_, &misfits_);
  return misfits_;
}

const std::vector<drift::Misfit>& RowEvaluator::Evaluate(const QueuedRow& row) {
  misfits_.clear();
  readable_ = Read(row);
  return readable_ ? Convert(document_, row) : misfits_;
}

const std::vector<drift::Misfit>& RowEvaluator::EvaluateAfter(const RowEvaluator& other, const QueuedRow& row) {
  misfits_.clear();
  return other.readable_ ? Convert(other.document_, row) : misfits_ = other.misfits_;
}

}  // namespace mend::apply
