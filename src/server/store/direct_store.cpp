#include "server/store/direct_store.h"

#include "server/store/direct_writer.h"
#include "server/store/isolate_failures.h"
#include "server/store/open_relation.h"

namespace mend::store {
namespace {

using drift::Kind;
using drift::Misfit;

// Past 64 subtransactions every snapshot of every session gets slow. With so many used, unique keys
// are looked up row by row instead, which needs none.
constexpr int kSubtransactionsToUse = 32;

// Whether the columns are still what the rows were made for: code of a type may have altered the
// table meanwhile.
bool SameShape(const table::Target& target, const DirectPlan& plan, Relation relation) {
  TupleDesc row = RelationGetDescr(relation);
  if (row->natts != plan.attribute_count()) {
    return false;
  }
  for (int attnum = 1; attnum <= row->natts; ++attnum) {
    const FormData_pg_attribute& form = *TupleDescAttr(row, attnum - 1);
    if (form.attisdropped ? OidIsValid(plan.TypeOf(attnum))
                          : form.atttypid != plan.TypeOf(attnum)) {
      return false;
    }
  }
  for (const plan::Column& column : target.shape().columns) {
    if (column.attnum < 1 || column.attnum > row->natts ||
        column.type.oid != plan.TypeOf(column.attnum) ||
        column.type.typmod != TupleDescAttr(row, column.attnum - 1)->atttypmod) {
      return false;
    }
  }
  return true;
}

// What is known of writing a target without the executor: made anew when it is no longer fresh.
struct DirectWay : table::Attachment {
  std::shared_ptr<const DirectPlan> plan;
  bool fits = false;  // whether the plan is of the columns that the target has
};

const DirectWay& WayTo(const table::Target& target, Relation relation) {
  DirectWay& way = target.Attached<DirectWay>(table::AttachmentSlot::DirectWay);
  if (!way.plan || !way.plan->IsFresh()) {
    way.plan = DirectPlan::Make(relation);
    way.fits = way.plan->usable() && SameShape(target, *way.plan, relation);
  }
  return way;
}

bool BringWhatTheyMust(const table::Target& target, const DirectPlan& plan,
                       const std::vector<table::Row>& rows) {
  if (!plan.MustBringAny()) {
    return true;
  }
  const std::vector<plan::Column>& columns = target.shape().columns;
  for (const table::Row& row : rows) {
    size_t next = 0;
    for (size_t i = 0; i < columns.size(); ++i) {
      const bool brought = next < row.columns.size() && row.columns[next] == static_cast<int>(i);
      next += brought ? 1 : 0;
      if (!brought && plan.MustBring(columns[i].attnum)) {
        return false;
      }
    }
  }
  return true;
}

bool HaveShortKeys(const table::Target& target, const DirectPlan& plan,
                   const std::vector<table::Row>& rows) {
  if (plan.key_count() == 0) {
    return true;
  }
  for (const table::Row& row : rows) {
    size_t bytes = 0;
    int brought = 0;
    for (size_t i = 0; i < row.columns.size(); ++i) {
      const int attnum = target.shape().columns[static_cast<size_t>(row.columns[i])].attnum;
      for (int k = 0; k < plan.key_count(); ++k) {
        if (plan.KeyAt(k) == attnum) {
          ++brought;
          bytes += row.nulls[i] != 0 ? 0 : VARSIZE_ANY(DatumGetPointer(row.values[i]));
        }
      }
    }
    // How long a value is that a default or a generated column will give is not known yet.
    if (brought < plan.key_count() && plan.ComputesKeys()) {
      return false;
    }
    if (bytes > DirectPlan::kMaxKeyBytes) {
      return false;
    }
  }
  return true;
}

Misfit MisfitOf(const table::Target& target, const Verdict& verdict) {
  const std::string name = verdict.name;
  const std::string relation = "relation \"" + target.shape().name + "\"";
  Misfit misfit;
  switch (verdict.kind) {
    case Verdict::Kind::NotNull:
      misfit.kind = Kind::MissingRequired;
      misfit.cause = drift::Cause::Absent;
      misfit.field = misfit.column = name;
      misfit.sqlstate = "23502";
      misfit.message =
          "null value in column \"" + name + "\" of " + relation + " violates not-null constraint";
      return misfit;
    case Verdict::Kind::Check:
      misfit.cause = drift::Cause::CheckViolation;
      misfit.sqlstate = "23514";
      misfit.message = "new row for " + relation + " violates check constraint \"" + name + "\"";
      break;
    default:
      misfit.cause = drift::Cause::UniqueViolation;
      misfit.sqlstate = "23505";
      misfit.message = "duplicate key value violates unique constraint \"" + name + "\"";
  }
  misfit.kind = Kind::Constraint;
  misfit.about = '"' + name + '"';
  return misfit;
}

// How many subtransactions the current transaction has spent here.
int* SubtransactionsUsed() {
  static TransactionId counted_for = InvalidTransactionId;
  static int used = 0;
  const TransactionId now = GetTopTransactionIdIfAny();
  if (now != counted_for || !TransactionIdIsValid(now)) {
    counted_for = now;
    used = 0;
  }
  return &used;
}

class DirectStore {
 public:
  DirectStore(const table::Target& target, const DirectPlan& plan, Relation relation,
              std::vector<table::Row>* rows, bool replay, Results* results)
      : target_(target),
        plan_(plan),
        relation_(relation),
        rows_(*rows),
        replay_(replay),
        results_(*results) {
    verdicts_.resize(rows->size());
    skip_.reset(new bool[rows->size()]());
    job_.target = &target;
    job_.plan = &plan;
    job_.rows = rows->data();
    job_.verdicts = verdicts_.data();
    job_.skip = skip_.get();
  }

  void Run() {
    CheckRights(relation_, target_, rows_);
    const bool cannot_fail = plan_.cannot_fail() && HaveShortKeys(target_, plan_, rows_);
    job_.look_first = LooksFirst(cannot_fail);
    if (cannot_fail && (!plan_.has_unique() || job_.look_first || RaisesDuplicates())) {
      WriteDirectly(relation_, &job_, 0, rows_.size());
    } else {
      SettleThem();
    }
    for (size_t i = 0; i < verdicts_.size(); ++i) {
      if (verdicts_[i].kind != Verdict::Kind::None && !results_[i]) {
        results_[i] = MisfitOf(target_, verdicts_[i]);
      }
    }
  }

 private:
  bool RaisesDuplicates() const {
    return !replay_ && target_.enrollment().on_conflict == table::OnConflict::Raise;
  }

  bool LooksFirst(bool cannot_fail) {
    if (!plan_.has_unique() || RaisesDuplicates()) {
      return false;
    }
    job_.ignore_duplicates = target_.enrollment().on_conflict == table::OnConflict::Ignore;
    // A transaction with one snapshot for all must be told of keys that it cannot see: PostgreSQL's
    // own error does.
    if (IsolationUsesXactSnapshot()) {
      return false;
    }
    return job_.ignore_duplicates ||
           (cannot_fail && (rows_.size() == 1 || *SubtransactionsUsed() >= kSubtransactionsToUse));
  }

  void SettleThem() {
    StoreIsolatingFailures(
        target_, replay_, &results_, [&](size_t first, size_t end, Culprit* culprit) {
          // What an attempt that was rolled back found to be there may have gone with it.
          for (size_t i = first; i < end; ++i) {
            skip_[i] = results_[i].has_value();
            if (verdicts_[i].kind == Verdict::Kind::Duplicate) {
              verdicts_[i] = {};
            }
          }
          job_.exact = true;
          job_.at = first;
          try {
            WriteDirectly(relation_, &job_, first, end);
          } catch (const pg::Error& error) {
            *culprit = {job_.at, job_.exact};
            const bool duplicate = error.sqlerrcode() == ERRCODE_UNIQUE_VIOLATION;
            if (duplicate && !job_.look_first && !IsolationUsesXactSnapshot() &&
                !RaisesDuplicates()) {
              job_.look_first = true;  // where one is, there are more
            }
            throw;
          }
          ++*SubtransactionsUsed();
        });
  }

  const table::Target& target_;
  const DirectPlan& plan_;
  Relation relation_;
  std::vector<table::Row>& rows_;
  bool replay_;
  Results& results_;
  std::vector<Verdict> verdicts_;
  std::unique_ptr<bool[]> skip_;
  DirectJob job_;
};

bool TermsAllow(const table::Target& target) {
  switch (target.enrollment().on_conflict) {
    case table::OnConflict::Update: return false;
    case table::OnConflict::Ignore: return !IsolationUsesXactSnapshot();
    default: return true;
  }
}

}  // namespace

bool StoreDirectly(const table::Target& target, std::vector<table::Row>* rows, bool replay,
                   Results* results) {
  if (!TermsAllow(target)) {
    return false;
  }
  OpenRelation relation(target.shape().relid);
  if (relation.get() == nullptr || !DirectPlan::Allows(relation.get())) {
    return false;
  }
  // Held: a function of the table may come back to us, and make another.
  const DirectWay& way = WayTo(target, relation.get());
  const std::shared_ptr<const DirectPlan> plan = way.plan;
  if (!way.fits || !BringWhatTheyMust(target, *plan, *rows)) {
    return false;
  }
  DirectStore(target, *plan, relation.get(), rows, replay, results).Run();
  return true;
}

}  // namespace mend::store
