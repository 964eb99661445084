#include "server/store/store.h"

#include "server/citus/managed_table.h"
#include "server/citus/node_errors.h"
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

// Runs one row's INSERT.
void Insert(const SavedPlan& plan, table::Row* row) {
  char few[64];
  const size_t count = row->columns.size();
  std::string many;
  char* nulls = few;
  if (count > sizeof few) {
    many.resize(count);
    nulls = many.data();
  }
  for (size_t i = 0; i < count; ++i) {
    nulls[i] = row->nulls[i] ? 'n' : ' ';
  }
  const int result =
      pg::Call([&] { return SPI_execute_plan(plan.get(), row->values.data(), nulls, false, 0); });
  if (result < 0) {
    throw pg::Error(ERRCODE_INTERNAL_ERROR, std::string("SPI: ") + SPI_result_code_string(result));
  }
}

}  // namespace

void InsertRow(const table::Target& target, table::Row* row) {
  Insert(*PlansOf(target).Find(target, row->columns, RowsFrom::Parameters), row);
}

Misfit MisfitOf(const table::Target& target, const pg::Error& error) {
  Misfit misfit;
  misfit.kind = Kind::Constraint;
  misfit.sqlstate = error.sqlstate();
  misfit.message = error.fields().message;
  const pg::ErrorFields& fields = error.fields();
  if (error.sqlerrcode() == ERRCODE_NOT_NULL_VIOLATION && fields.column &&
      target.shape().Find(*fields.column) &&
      (fields.table == target.shape().name ||
       target.shape().relkind == RELKIND_PARTITIONED_TABLE)) {
    misfit.kind = Kind::MissingRequired;
    misfit.field = misfit.column = *fields.column;
  } else if (error.sqlerrcode() == ERRCODE_CHECK_VIOLATION &&
             fields.function == "ExecFindPartition") {
    misfit.kind = Kind::NoPartition;
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
  for (size_t i = 0; i < rows->size(); ++i) {
    const bool same = i > 0 && (*rows)[i].columns == (*rows)[i - 1].columns;
    plans.push_back(same ? plans.back()
                         : PlansOf(target).Find(target, (*rows)[i].columns, RowsFrom::Parameters));
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
      Insert(*plans[i], &(*rows)[i]);
    }
  });
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
