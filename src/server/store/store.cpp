#include "server/store/store.h"

#include <algorithm>

#include "server/citus/managed_table.h"
#include "server/citus/node_errors.h"
#include "server/observe/freshness.h"
#include "server/pg/spi.h"
#include "server/store/direct_store.h"
#include "server/store/insert_plan.h"
#include "server/store/isolate_failures.h"
#include "server/store/node_store.h"
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

// Runs one row's INSERT. Whether it has written a row.
bool Insert(const table::Target& target, const SavedPlan& plan, table::Row* row) {
  char few[64];
  const size_t count = row->columns.size();
  const Datum* values = row->values.data();
  std::vector<Datum> with_keys;
  if (ClearsRescued(target, *row)) {
    with_keys = row->values;
    with_keys.push_back(pg::TextArray(row->fitting_keys).value);
    values = with_keys.data();
  }
  std::string many;
  char* nulls = few;
  few[std::min(count, sizeof few - 1)] = ' ';
  if (count >= sizeof few) {
    many.resize(count + 1, ' ');
    nulls = many.data();
  }
  for (size_t i = 0; i < count; ++i) {
    nulls[i] = row->nulls[i] ? 'n' : ' ';
  }
  const int result = pg::Call(
      [&] { return SPI_execute_plan(plan.get(), const_cast<Datum*>(values), nulls, false, 0); });
  if (result < 0) {
    throw pg::Error(ERRCODE_INTERNAL_ERROR, std::string("SPI: ") + SPI_result_code_string(result));
  }
  return SPI_processed > 0;
}

}  // namespace

void InsertRow(const table::Target& target, table::Row* row) {
  Insert(target, *PlanFor(target, *row), row);
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

// Through the executor, one statement a row.
void StoreByRow(const table::Target& target, std::vector<table::Row>* rows, bool replay,
                Results* results) {
  pg::Spi spi;
  std::vector<std::shared_ptr<const SavedPlan>> plans;
  plans.reserve(rows->size());
  std::vector<char> ignored(rows->size());  // what is older than the stored row
  for (size_t i = 0; i < rows->size(); ++i) {
    const bool same = i > 0 && (*rows)[i].columns == (*rows)[i - 1].columns &&
                      (*rows)[i].fitting_keys.empty() == (*rows)[i - 1].fitting_keys.empty();
    plans.push_back(same ? plans.back() : PlanFor(target, (*rows)[i]));
  }
  StoreIsolatingFailures(target, replay, results, [&](size_t first, size_t end, Culprit* culprit) {
    for (size_t i = first; i < end; ++i) {
      culprit->at = i;
      if ((*results)[i]) {
        continue;
      }
      if (i % 100 == 99) {
        pg::CheckInterrupts();
      }
      ignored[i] = Insert(target, *plans[i], &(*rows)[i]) ? 0 : 1;
    }
  });
  if (target.enrollment().newer_by) {
    observe::NoteIgnored(target.shape().relid, std::count(ignored.begin(), ignored.end(), char{1}));
  }
}

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
    StoreByRow(target, rows, replay, &results);
  }
  return results;
}

}  // namespace mend::store
