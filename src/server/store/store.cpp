#include "server/store/store.h"

#include <algorithm>

#include "server/citus/managed_table.h"
#include "server/citus/node_errors.h"
#include "server/observe/freshness.h"
#include "server/pg/spi.h"
#include "server/store/await_key.h"
#include "server/store/direct_store.h"
#include "server/store/insert_plan.h"
#include "server/store/isolate_failures.h"
#include "server/store/node_store.h"
#include "server/store/row_key.h"
#include "server/store/set_store.h"

namespace mend::store {
namespace {

using drift::Kind;
using drift::Misfit;

// Whether an older row with the key loses what it has rescued of the fields that this one brings.
bool ClearsRescued(const table::Target& target, const table::Row& row) {
  return !row.fitting_keys.empty() && target.rescue_column() >= 0 &&
         target.enrollment().on_conflict == table::OnConflict::Update;
}

std::shared_ptr<const SavedPlan> PlanFor(const table::Target& target, const table::Row& row) {
  return PlansOf(target).Find(target, row.columns, RowsFrom::Parameters, {},
                              ClearsRescued(target, row));
}

// Runs a plan with the values of a row, and behind them the keys of its payload where it takes
// them. How many rows it has written or found.
uint64_t Run(const SavedPlan& plan, const table::Row& row, bool with_keys) {
  char few[64];
  const size_t count = row.columns.size();
  const Datum* values = row.values.data();
  std::vector<Datum> all;
  if (with_keys) {
    all = row.values;
    all.push_back(pg::TextArray(row.fitting_keys).value);
    values = all.data();
  }
  std::string many;
  char* nulls = few;
  few[std::min(count, sizeof few - 1)] = ' ';
  if (count >= sizeof few) {
    many.resize(count + 1, ' ');
    nulls = many.data();
  }
  for (size_t i = 0; i < count; ++i) {
    nulls[i] = row.nulls[i] ? 'n' : ' ';
  }
  const int result = pg::Call(
      [&] { return SPI_execute_plan(plan.get(), const_cast<Datum*>(values), nulls, false, 0); });
  if (result < 0) {
    throw pg::Error(ERRCODE_INTERNAL_ERROR, std::string("SPI: ") + SPI_result_code_string(result));
  }
  return SPI_processed;
}

// Runs one row's INSERT. Whether it has written a row.
bool Insert(const table::Target& target, const SavedPlan& plan, const table::Row& row) {
  return Run(plan, row, ClearsRescued(target, row)) > 0;
}

enum class Updated : uint8_t {
  Written,
  Left,   // it is newer, or nothing but its key was brought
  Absent  // there is no such row
};

// Updates the stored row that has the key, as on_conflict update would.
Updated Update(const table::Target& target, const table::Row& row) {
  const bool clears_rescued = ClearsRescued(target, row);
  const std::shared_ptr<const SavedPlan> update =
      PlansOf(target).FindUpdate(target, row.columns, clears_rescued);
  const std::shared_ptr<const SavedPlan> look = PlansOf(target).FindLook(target, row.columns);
  for (bool awaited = false;; awaited = true) {
    if (update && Run(*update, row, clears_rescued) > 0) {
      return Updated::Written;
    }
    if (Run(*look, row, false) > 0) {
      return Updated::Left;
    }
    if (awaited || !AwaitKey(target, row)) {
      return Updated::Absent;
    }
  }
}

bool Brings(const table::Row& row, int column) {
  return std::binary_search(row.columns.begin(), row.columns.end(), column);
}

// Of a row that only updates, where no row is stored.
Misfit MisfitOfAbsent(const table::Target& target, const table::Row& row) {
  Misfit misfit;
  misfit.kind = Kind::MissingRequired;
  misfit.cause = drift::Cause::Absent;
  misfit.sqlstate = "23502";
  for (int column : target.required()) {
    if (!Brings(row, column)) {
      misfit.field = misfit.column = target.shape().columns[static_cast<size_t>(column)].name;
      break;
    }
  }
  misfit.message = "null value in column \"" + misfit.column + "\" of relation \"" +
                   target.shape().name + "\" violates not-null constraint";
  return misfit;
}

}  // namespace

void InsertRow(const table::Target& target, table::Row* row) {
  Insert(target, *PlanFor(target, *row), *row);
}

namespace {

// What refused a row, by name, where the error says it.
void NameCause(const pg::Error& error, Misfit* misfit) {
  using drift::Cause;
  const pg::ErrorFields& fields = error.fields();
  switch (error.sqlerrcode()) {
    case ERRCODE_UNIQUE_VIOLATION: misfit->cause = Cause::UniqueViolation; break;
    case ERRCODE_EXCLUSION_VIOLATION: misfit->cause = Cause::ExclusionViolation; break;
    case ERRCODE_FOREIGN_KEY_VIOLATION: misfit->cause = Cause::ForeignKey; break;
    case ERRCODE_CHECK_VIOLATION:
      misfit->cause = fields.datatype ? Cause::DomainCheck : Cause::CheckViolation;
      break;
    case ERRCODE_INSUFFICIENT_PRIVILEGE:
      // The message of a policy that has a name to be told is: ... policy "p" for table "t".
      misfit->cause = fields.function == "ExecWithCheckOptions" ? Cause::Policy : Cause::Refused;
      break;
    default: misfit->cause = Cause::Refused;
  }
  if (misfit->cause == Cause::Policy) {
    const size_t first = fields.message.find('"'), second = fields.message.find('"', first + 1);
    if (second != std::string::npos && fields.message.find('"', second + 1) != std::string::npos) {
      misfit->about = fields.message.substr(first, second - first + 1);
    }
  } else if (fields.constraint && misfit->cause != Cause::Refused) {
    misfit->about = '"' + *fields.constraint + '"';
  }
}

}  // namespace

Misfit MisfitOf(const table::Target& target, const pg::Error& error) {
  Misfit misfit;
  misfit.kind = Kind::Constraint;
  NameCause(error, &misfit);
  misfit.sqlstate = error.sqlstate();
  misfit.message = error.fields().message;
  const pg::ErrorFields& fields = error.fields();
  if (error.sqlerrcode() == ERRCODE_NOT_NULL_VIOLATION && fields.column &&
      target.shape().Find(*fields.column) &&
      (fields.table == target.shape().name ||
       target.shape().relkind == RELKIND_PARTITIONED_TABLE)) {
    misfit.kind = Kind::MissingRequired;
    misfit.cause = drift::Cause::Absent;
    misfit.field = misfit.column = *fields.column;
  } else if (error.sqlerrcode() == ERRCODE_CHECK_VIOLATION &&
             fields.function == "ExecFindPartition") {
    misfit.kind = Kind::NoPartition;
    misfit.cause = drift::Cause::NoPartition;
    misfit.about.clear();
  }
  return misfit;
}

pg::Error InTermsOfTable(const table::Target& target, const pg::Error& error) {
  const Oid relid = target.shape().relid;
  return citus::Manages(relid) ? citus::InTermsOfTable(relid, error) : error;
}

bool MustRaise(const table::Target& target, const pg::Error& error, bool replay) {
  if (citus::Manages(target.shape().relid)) {
    if (citus::IsNodeFailure(error)) {
      return true;
    }
    if (error.sqlerrcode() == ERRCODE_INSUFFICIENT_PRIVILEGE) {
      return pg::MustRaise(InTermsOfTable(target, error));
    }
  }
  if (replay) {
    return pg::MustRaise(error) && !pg::IsRowsOwnInReplay(error);
  }
  const bool wanted = target.enrollment().on_conflict == table::OnConflict::Raise &&
                      error.sqlerrcode() == ERRCODE_UNIQUE_VIOLATION;
  return wanted || pg::MustRaise(error);
}

namespace {

// Whether nothing but what the payload does not bring is amiss, and a stored row may have that.
bool MayBeUpdate(const table::Target& target, RowKey* key, const table::Row& row,
                 const Misfit& misfit) {
  if (row.updates_only || misfit.kind != Kind::MissingRequired || !key->IsKept(target)) {
    return false;
  }
  for (size_t i = 0; i < row.columns.size(); ++i) {
    const auto column = static_cast<size_t>(row.columns[i]);
    if (row.nulls[i] != 0 && target.shape().columns[column].name == misfit.column) {
      return false;
    }
  }
  return std::all_of(key->columns().begin(), key->columns().end(),
                     [&](int column) { return Brings(row, column); });
}

// Through the executor, one statement a row.
class RowStore {
 public:
  RowStore(const table::Target& target, std::vector<table::Row>* rows, bool replay,
           Results* results)
      : target_(target), rows_(*rows), replay_(replay), results_(*results), left_(rows->size()) {}

  void Run() {
    Pass();
    if (target_.shape().has_before_insert) {
      UpdateRefused();
    }
    if (target_.enrollment().newer_by) {
      observe::NoteIgnored(target_.shape().relid, std::count(left_.begin(), left_.end(), char{1}));
    }
  }

 private:
  void Pass() {
    pg::Spi spi;
    std::vector<std::shared_ptr<const SavedPlan>> plans(rows_.size());
    const table::Row* last = nullptr;
    for (size_t i = 0; i < rows_.size(); ++i) {
      const table::Row& row = rows_[i];
      if (results_[i] || row.updates_only) {
        continue;
      }
      const bool same = last != nullptr && row.columns == last->columns &&
                        row.fitting_keys.empty() == last->fitting_keys.empty();
      plans[i] = same ? plans[static_cast<size_t>(last - rows_.data())] : PlanFor(target_, row);
      last = &row;
    }
    StoreIsolatingFailures(target_, replay_, &results_,
                           [&](size_t first, size_t end, Culprit* culprit) {
                             for (size_t i = first; i < end; ++i) {
                               culprit->at = i;
                               if (results_[i]) {
                                 continue;
                               }
                               if (i % 100 == 99) {
                                 pg::CheckInterrupts();
                               }
                               if (rows_[i].updates_only) {
                                 const Updated updated = Update(target_, rows_[i]);
                                 left_[i] = updated == Updated::Left ? 1 : 0;
                                 if (updated == Updated::Absent) {
                                   results_[i] = MisfitOfAbsent(target_, rows_[i]);
                                 }
                               } else {
                                 left_[i] = Insert(target_, *plans[i], rows_[i]) ? 0 : 1;
                               }
                             }
                           });
  }

  // What a BEFORE trigger did not supply, a stored row may have.
  void UpdateRefused() {
    RowKey key;
    Results refused(rows_.size());
    bool any = false;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (results_[i] && MayBeUpdate(target_, &key, rows_[i], *results_[i])) {
        refused[i].swap(results_[i]);
        rows_[i].updates_only = any = true;
      } else if (!results_[i]) {
        done_.push_back(i);
      }
    }
    if (!any) {
      return;
    }
    for (size_t i : done_) {
      results_[i].emplace();  // not a second time
    }
    Pass();
    for (size_t i : done_) {
      results_[i].reset();
    }
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (refused[i] && results_[i] && results_[i]->kind == Kind::MissingRequired) {
        results_[i] = std::move(refused[i]);
      }
    }
  }

  const table::Target& target_;
  std::vector<table::Row>& rows_;
  bool replay_;
  Results& results_;
  std::vector<char> left_;    // rows that are older than the stored ones
  std::vector<size_t> done_;  // rows that the first pass has stored
};

}  // namespace

Results Store(const table::Target& target, std::vector<table::Row>* rows, bool replay) {
  Results results(rows->size());
  if (rows->empty()) {
    return results;
  }
  const bool stored = citus::Manages(target.shape().relid)
                          ? StoreOnNodes(target, rows, replay, &results)
                          : StoreDirectly(target, rows, replay, &results) ||
                                StoreAsSet(target, rows, replay, &results);
  if (!stored) {
    RowStore(target, rows, replay, &results).Run();
  }
  return results;
}

}  // namespace mend::store
