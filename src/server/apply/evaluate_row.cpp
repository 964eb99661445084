#include "server/apply/evaluate_row.h"

#include "server/apply/active_unit.h"
#include "server/pg/deadline.h"
#include "server/queue/row_outcome.h"

namespace mend::apply {
namespace {

// A row under evaluation. One with which a worker went down before, or a deadline passed, has the
// whole of a deadline to itself: if that happens once more, the row was alone.
class Judging {
 public:
  explicit Judging(const queue::QueuedRow& row)
      : at_work_(ActiveUnit::Kind::Row, row.id),
        suspect_(row.crashes > 0 || row.sqlstate == queue::kSlowState) {
    Restart();
  }
  ~Judging() {
    if (!at_work_.Failed()) {
      Restart();
    }
  }
  Judging(const Judging&) = delete;
  Judging& operator=(const Judging&) = delete;

 private:
  void Restart() const {
    if (suspect_) {
      pg::Deadline::Restart();
    }
  }

  ActiveUnit at_work_;
  bool suspect_;
};

}  // namespace

bool RowContext::IsSame(const queue::QueuedRow& row) const {
  return known_ && row.submitter == submitter_ && row.session_submitter == session_submitter_ &&
         row.submitted_by == submitted_by_ && row.session_submitted_by == session_submitted_by_ &&
         row.target_name == target_name_ && row.context == settings_ && row.code == code_;
}

const std::optional<Refusal>& RowContext::WhyNot(const queue::QueuedRow& row, Oid target,
                                                 std::string_view target_name) {
  if (!IsSame(row)) {
    Leave();
    why_not_ = WhyRefused(row, target, target_name);
    submitter_ = row.submitter;
    session_submitter_ = row.session_submitter;
    submitted_by_ = row.submitted_by;
    session_submitted_by_ = row.session_submitted_by;
    target_name_ = row.target_name;
    settings_ = row.context;
    code_ = row.code;
    known_ = true;
  }
  return why_not_;
}

void RowContext::Enter(const queue::QueuedRow& row) {
  if (!entered_) {
    entered_.emplace(row.identity(), pg::ForeignCode::Until::Scope);
  }
}

bool RowEvaluator::Read(const queue::QueuedRow& row) {
  if (const std::optional<Refusal>& refusal =
          context_.WhyNot(row, target_.shape().relid, target_.enrollment().target_name)) {
    misfits_.push_back({drift::Kind::Constraint, "", "", refusal->sqlstate, refusal->reason, 0});
    return false;
  }
  if (auto failure = document_.Parse(row.payload)) {
    misfits_.push_back({drift::Kind::Malformed, "", "", "22P02", failure->message, 0});
    return false;
  }
  return true;
}

// Storing a row has shown that none was there to be updated.
void RowEvaluator::Expect(const queue::QueuedRow& row) {
  evaluator_.TakesRecords(row.is_record);
  evaluator_.Rescue(wants_rows_);
  evaluator_.MayUpdate(row.kind != drift::Kind::MissingRequired);
}

const std::vector<drift::Misfit>& RowEvaluator::Convert(const json::Document& payload,
                                                        const queue::QueuedRow& row) {
  context_.Enter(row);
  Expect(row);
  const bool is_asked =
      wants_rows_ || target_.shape().has_before_insert || MayRecall(row);  // what the row brings
  evaluator_.Evaluate(payload.root(), is_asked ? &converted_ : nullptr, &misfits_);
  RecallMissing(row);
  return misfits_;
}

bool RowEvaluator::Brings(const std::string& column, bool or_null) const {
  for (size_t i = 0; i < converted_.columns.size(); ++i) {
    if (target_.shape().columns[static_cast<size_t>(converted_.columns[i])].name == column) {
      return or_null || converted_.nulls[i] == 0;
    }
  }
  return false;
}

bool RowEvaluator::MayRecall(const queue::QueuedRow& row) const {
  if (row.kind != drift::Kind::MissingRequired) {
    return false;
  }
  const plan::Column* column = target_.shape().Find(row.field);
  return column != nullptr && column->not_null &&
         (target_.shape().has_before_insert || column->has_default);
}

void RowEvaluator::RecallMissing(const queue::QueuedRow& row) {
  if (!MayRecall(row)) {
    return;
  }
  const plan::Column* column = target_.shape().Find(row.field);
  for (const drift::Misfit& misfit : misfits_) {
    if (misfit.column == column->name) {
      return;
    }
  }
  const bool gets_default = column->default_is_given && !Brings(column->name, true);
  if (gets_default || Brings(column->name, false)) {
    return;
  }
  misfits_.push_back({drift::Kind::MissingRequired, column->name, column->name, "23502",
                      std::string(row.error), 0, drift::Cause::Absent});
}

const std::vector<drift::Misfit>& RowEvaluator::Evaluate(const queue::QueuedRow& row) {
  const Judging judging(row);
  misfits_.clear();
  readable_ = Read(row);
  return readable_ ? Convert(document_, row) : misfits_;
}

const std::vector<drift::Misfit>& RowEvaluator::EvaluateAfter(const RowEvaluator& other,
                                                              const queue::QueuedRow& row,
                                                              const std::vector<char>& columns) {
  const Judging judging(row);
  misfits_.clear();
  if (!other.readable_) {
    misfits_ = other.misfits_;
    return misfits_;
  }
  if (!other.misfits_.empty() || MayRecall(row)) {
    return Convert(other.document_, row);
  }
  context_.Enter(row);
  Expect(row);
  evaluator_.EvaluateAfter(other.evaluator_, other.document_.root(), columns, &misfits_);
  return misfits_;
}

}  // namespace mend::apply
