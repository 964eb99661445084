#include "server/store/set_store.h"

#include "server/pg/spi.h"
#include "server/store/insert_plan.h"
#include "server/store/isolate_failures.h"
#include "server/store/open_relation.h"
#include "server/store/planner_check.h"

namespace mend::store {
TupleDesc DescribeRows(const table::Target& target, const std::vector<int>& columns) {
  const plan::Column* all = target.shape().columns.data();
  return pg::Call([&] {
    TupleDesc row = CreateTemplateTupleDesc(static_cast<int>(columns.size()));
    for (size_t i = 0; i < columns.size(); ++i) {
      const plan::Column& column = all[columns[i]];
      char name[16];
      pg_snprintf(name, sizeof name, "c%zu", i + 1);
      TupleDescInitEntry(row, static_cast<AttrNumber>(i + 1), name, column.type.oid,
                         column.type.typmod, 0);
      TupleDescInitEntryCollation(row, static_cast<AttrNumber>(i + 1), column.collation);
    }
    return row;
  });
}

Tuplestorestate* Collect(TupleDesc row, table::Row** rows, size_t count) {
  return pg::Call([&] {
    Tuplestorestate* store = tuplestore_begin_heap(false, false, work_mem);
    auto* nulls = static_cast<bool*>(palloc(static_cast<size_t>(row->natts)));
    for (size_t i = 0; i < count; ++i) {
      for (int k = 0; k < row->natts; ++k) {
        nulls[k] = rows[i]->nulls[static_cast<size_t>(k)];
      }
      tuplestore_putvalues(store, row, rows[i]->values.data(), nulls);
    }
    return store;
  });
}

namespace {

bool TakesSets(const table::Target& target) {
  if (target.enrollment().on_conflict == table::OnConflict::Update) {
    return false;
  }
  OpenRelation relation(target.shape().relid);
  if (relation.get() == nullptr) {
    return false;
  }
  const FormData_pg_class& form = *relation.get()->rd_rel;
  const bool table = form.relkind == RELKIND_RELATION ||
                     form.relkind == RELKIND_PARTITIONED_TABLE ||
                     form.relkind == RELKIND_FOREIGN_TABLE;
  return table && !form.relhasrules && PlannerAgreesNow(relation.get());
}

// One statement for rows that bring the same columns. SPI knows them by name while it runs.
void InsertSet(const table::Target& target, table::Row** rows, size_t count) {
  const std::vector<int>& columns = rows[0]->columns;
  TupleDesc row = DescribeRows(target, columns);
  EphemeralNamedRelationData relation = {};
  Tuplestorestate* store = Collect(row, rows, count);
  pg::Call([&] {
    relation.md.name = const_cast<char*>(kRowsToInsert);
    relation.md.reliddesc = InvalidOid;
    relation.md.tupdesc = row;
    relation.md.enrtype = ENR_NAMED_TUPLESTORE;
    relation.md.enrtuples = static_cast<double>(count);
    relation.reldata = store;
    if (SPI_register_relation(&relation) != SPI_OK_REL_REGISTER) {
      elog(ERROR, "the rows to insert cannot be registered");
    }
  });
  const std::shared_ptr<const SavedPlan> plan =
      PlansOf(target).Find(target, columns, RowsFrom::Store);
  const int result =
      pg::Call([&] { return SPI_execute_plan(plan->get(), nullptr, nullptr, false, 0); });
  if (result < 0) {
    throw pg::Error(ERRCODE_INTERNAL_ERROR, std::string("SPI: ") + SPI_result_code_string(result));
  }
  pg::Call([&] {
    SPI_unregister_relation(kRowsToInsert);
    tuplestore_end(store);
  });
}

}  // namespace

bool StoreAsSet(const table::Target& target, std::vector<table::Row>* rows, bool replay,
                Results* results) {
  if (rows->size() == 1 || !TakesSets(target)) {
    return false;
  }
  std::vector<table::Row*> run;
  StoreIsolatingFailures(target, replay, results, [&](size_t first, size_t end, Culprit* culprit) {
    *culprit = {first, false};
    // A connection an attempt: an error leaves the registered rows behind in it.
    pg::Spi spi;
    for (size_t i = first; i < end;) {
      run.clear();
      const std::vector<int>& columns = (*rows)[i].columns;
      for (; i < end && ((*results)[i] || (*rows)[i].columns == columns); ++i) {
        if (!(*results)[i]) {
          run.push_back(&(*rows)[i]);
        }
      }
      if (run.empty()) {
        continue;
      }
      if (run.size() == 1 || columns.empty()) {
        for (table::Row* row : run) {
          InsertRow(target, row);
        }
      } else {
        InsertSet(target, run.data(), run.size());
      }
    }
  });
  return true;
}

}  // namespace mend::store
