#include "server/store/node_store.h"

#include <algorithm>
#include <deque>
#include <map>

#include "server/citus/managed_table.h"
#include "server/citus/node_errors.h"
#include "server/citus/row_source.h"
#include "server/pg/settings_scope.h"
#include "server/pg/spi.h"
#include "server/store/insert_plan.h"
#include "server/store/isolate_failures.h"
#include "server/store/set_store.h"

namespace mend::store {
namespace {

using drift::Kind;
using drift::Misfit;

// What tells the rows of a table apart.
struct UniqueKey {
  std::vector<int> columns;  // indexes into shape.columns, by number; empty: nothing that the
                             // caller may read does
  std::string name;          // of the constraint
  bool only = false;         // whether no other index can refuse a row as there already
};

int IndexOf(const plan::Shape& shape, int attnum) {
  for (size_t i = 0; i < shape.columns.size(); ++i) {
    if (shape.columns[i].attnum == attnum) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

bool MayRead(Oid relid, AttrNumber attnum) {
  return pg::Call([&] {
    return pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
           pg_attribute_aclcheck(relid, attnum, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
  });
}

// Where policies hide rows, none may be asked for.
bool HidesRows(Oid relid) {
  return pg::Call([&] { return check_enable_rls(relid, InvalidOid, true) != RLS_NONE; });
}

UniqueKey FindKey(const table::Target& target) {
  const plan::Shape& shape = target.shape();
  UniqueKey key;
  const pg::Rows rows = pg::RunPrepared(
      "SELECT c.relname, pg_catalog.array_to_string(i.indkey::pg_catalog.int2[], ' '),"
      " i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL,"
      " pg_catalog.count(*) OVER () "
      "FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid "
      "WHERE i.indrelid = $1 AND (i.indisunique OR i.indisexclusion) ORDER BY i.indisprimary DESC, "
      "c.relname",
      {pg::ObjectId(shape.relid)});
  for (size_t row = 0; row < rows.size(); ++row) {
    if (!rows.boolean(row, 2)) {
      continue;
    }
    key.name = rows.text(row, 0);
    key.only = rows.int8(row, 3) == 1;
    key.columns.clear();
    const std::string numbers = rows.text(row, 1);
    for (size_t from = 0; from < numbers.size();) {
      const size_t end = std::min(numbers.find(' ', from), numbers.size());
      const int attnum = std::stoi(numbers.substr(from, end - from));
      const int column = IndexOf(shape, attnum);
      if (column < 0 || !shape.columns[static_cast<size_t>(column)].not_null ||
          !MayRead(shape.relid, static_cast<AttrNumber>(attnum))) {
        key.columns.clear();
        break;
      }
      key.columns.push_back(column);
      from = end + 1;
    }
    if (!key.columns.empty()) {
      std::sort(key.columns.begin(), key.columns.end());
      return key;
    }
  }
  return {};
}

// What the keys of rows are, as text.
class KeyText {
 public:
  explicit KeyText(const plan::Shape& shape, const UniqueKey& key) : key_(key) {
    for (const int column : key.columns) {
      const Oid type = shape.columns[static_cast<size_t>(column)].type.oid;
      FmgrInfo& output = outputs_.emplace_back();
      pg::Call([&] {
        Oid function = InvalidOid;
        bool varlena = false;
        getTypeOutputInfo(type, &function, &varlena);
        fmgr_info(function, &output);
      });
    }
  }

  std::string Of(const table::Row& row) {
    std::string text;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const auto at =
          std::find(row.columns.begin(), row.columns.end(), key_.columns[i]) - row.columns.begin();
      Append(i, row.values[static_cast<size_t>(at)], &text);
    }
    return text;
  }

  // Of a row that has the key alone.
  std::string Of(TupleTableSlot* slot) {
    std::string text;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      bool null = false;
      const Datum value =
          pg::Call([&] { return slot_getattr(slot, static_cast<int>(i) + 1, &null); });
      if (!null) {
        Append(i, value, &text);
      }
    }
    return text;
  }

 private:
  void Append(size_t i, Datum value, std::string* text) {
    char* printed = pg::Call([&] { return OutputFunctionCall(&outputs_[i], value); });
    *text += printed;
    *text += '\0';
    pfree(printed);
  }

  const UniqueKey& key_;
  std::vector<FmgrInfo> outputs_;
};

// Of the table that was written last in this session: whether keys of the last set were there
// already. Where one is, there are more.
struct Habit {
  Oid relid = InvalidOid;
  bool duplicates = false;
};
Habit habit;

class NodeStore {
 public:
  NodeStore(const table::Target& target, std::vector<table::Row>* rows, bool replay,
            Results* results)
      : target_(target), rows_(*rows), replay_(replay), results_(*results) {
    if (habit.relid != target.shape().relid) {
      habit = {target.shape().relid, false};
    }
    pass_over_ = habit.duplicates;
  }

  void Run() {
    RefuseNulls();
    size_t step = rows_.size();
    for (size_t done = 0; done < rows_.size();) {
      const size_t end = std::min(done + step, rows_.size());
      duplicates_.clear();
      const std::optional<pg::Error> error = pg::Attempt([&] {
        pg::Spi spi;
        Write(done, end);
      });
      if (!error) {
        for (auto& [at, misfit] : duplicates_) {
          results_[at] = std::move(misfit);
        }
        done = end;
        step = std::min(4 * step, rows_.size());
        continue;
      }
      // What a node says of several rows may come without its code: the row will tell, alone.
      if (!citus::HasLostItsCode(*error) && MustRaise(target_, *error, replay_)) {
        throw InTermsOfTable(target_, *error);
      }
      if (!pass_over_ && citus::HasLostItsCode(*error) && CanPassOver()) {
        pass_over_ = true;  // the same rows once more, past keys that are there
      } else if (end - done > kFew) {
        step = end - done > kMany ? kMany : kFew;
      } else {
        for (size_t at = done; at < end; ++at) {
          WriteAlone(at);
        }
        done = end;
      }
    }
    habit.duplicates = saw_duplicates_;
  }

 private:
  using Set = std::vector<size_t>;  // places of rows that bring the same columns

  // So many rows are quicker written one by one than in ever smaller sets: each set that fails
  // makes Citus cancel what its other connections do.
  static constexpr size_t kFew = 64;
  static constexpr size_t kMany = 1024;

  // Spares a set the trip to the nodes that would only show it.
  void RefuseNulls() {
    const plan::Shape& shape = target_.shape();
    for (size_t at = 0; at < rows_.size() && !shape.has_before_insert; ++at) {
      const table::Row& row = rows_[at];
      for (size_t i = 0; i < row.columns.size() && !results_[at]; ++i) {
        const plan::Column& column = shape.columns[static_cast<size_t>(row.columns[i])];
        if (row.nulls[i] != 0 && column.not_null) {
          results_[at] = Misfit{Kind::MissingRequired,
                                column.name,
                                column.name,
                                "23502",
                                "null value in column \"" + column.name + "\" of relation \"" +
                                    shape.name + "\" violates not-null constraint",
                                0,
                                drift::Cause::Absent};
        }
      }
    }
  }

  void WriteAlone(size_t at) {
    if (results_[at]) {
      return;
    }
    const std::optional<pg::Error> error = pg::Attempt([&] {
      pg::Spi spi;
      InsertRow(target_, &rows_[at]);
    });
    if (error && MustRaise(target_, *error, replay_)) {
      throw InTermsOfTable(target_, *error);
    }
    if (error) {
      results_[at] = MisfitOf(target_, InTermsOfTable(target_, *error));
    }
  }

  // Whether keys that are there can be passed over and told: under the terms, and by somebody who
  // may read them.
  bool CanPassOver() {
    if (!key_) {
      key_ = target_.enrollment().on_conflict == table::OnConflict::DeadLetter ||
                     (replay_ && target_.enrollment().on_conflict == table::OnConflict::Raise)
                 ? FindKey(target_)
                 : UniqueKey();
    }
    return !key_->columns.empty() && !HidesRows(target_.shape().relid);
  }

  bool BringsKey(const table::Row& row) const {
    return std::all_of(key_->columns.begin(), key_->columns.end(), [&](int column) {
      const auto at = std::find(row.columns.begin(), row.columns.end(), column);
      return at != row.columns.end() &&
             row.nulls[static_cast<size_t>(at - row.columns.begin())] == 0;
    });
  }

  // Citus routes a set of rows by a value that each brings.
  bool CanBeRouted(const table::Row& row) const {
    const int column = IndexOf(target_.shape(), managed_.distribution_column);
    return !row.columns.empty() &&
           (managed_.kind != citus::Kind::Distributed ||
            std::find(row.columns.begin(), row.columns.end(), column) != row.columns.end());
  }

  void Write(size_t first, size_t end) {
    for (size_t i = first; i < end;) {
      Set set;
      const std::vector<int>& columns = rows_[i].columns;
      for (; i < end && (results_[i] || rows_[i].columns == columns); ++i) {
        if (!results_[i]) {
          set.push_back(i);
        }
      }
      pg::CheckInterrupts();
      if (set.empty()) {
        continue;
      }
      // Policies are asked in an INSERT, and not in the COPY that Citus makes of a plain set.
      if (set.size() == 1 || !CanBeRouted(rows_[set.front()]) || HidesRows(target_.shape().relid)) {
        for (const size_t at : set) {
          InsertRow(target_, &rows_[at]);
        }
      } else if (pass_over_ && CanPassOver() && BringsKey(rows_[set.front()])) {
        PassOver(set);
      } else {
        Insert(set, RowsFrom::Function, nullptr);
      }
    }
  }

  // `returned` gets the rows that the statement gives back.
  void Insert(const Set& set, RowsFrom from, Tuplestorestate* returned) {
    std::vector<table::Row*> rows;
    rows.reserve(set.size());
    for (const size_t at : set) {
      rows.push_back(&rows_[at]);
    }
    const std::vector<int>& columns = rows.front()->columns;
    TupleDesc row = DescribeRows(target_, columns);
    const std::shared_ptr<const SavedPlan> plan = PlansOf(target_).Find(
        target_, columns, from, returned != nullptr ? key_->columns : std::vector<int>());
    // One connection a node: to open more takes longer than to write these rows.
    const pg::SettingsScope one_connection({{"citus.max_adaptive_executor_pool_size", "1"}});
    const citus::RowSource source(row, Collect(row, rows.data(), rows.size()));
    const int result = pg::Call([&] {
      SPIExecuteOptions options = {};
      if (returned != nullptr) {
        // Not into SPI's own table: Citus counts otherwise than SPI does.
        options.dest = CreateDestReceiver(DestTuplestore);
        SetTuplestoreDestReceiverParams(options.dest, returned, CurrentMemoryContext, false,
                                        nullptr, nullptr);
      }
      return SPI_execute_plan_extended(plan->get(), &options);
    });
    if (result < 0) {
      throw pg::Error(ERRCODE_INTERNAL_ERROR,
                      std::string("SPI: ") + SPI_result_code_string(result));
    }
  }

  // Writes past keys that are there, also in the set itself, and notes whose they are.
  void PassOver(const Set& set) {
    Tuplestorestate* stored =
        pg::Call([] { return tuplestore_begin_heap(false, false, work_mem); });
    Insert(set, RowsFrom::FunctionNewKeys, stored);
    const auto count =
        static_cast<size_t>(pg::Call([&] { return tuplestore_tuple_count(stored); }));
    if (count < set.size()) {
      saw_duplicates_ = true;
      KeyText keys(target_.shape(), *key_);
      std::map<std::string, std::deque<size_t>> waiting;
      for (const size_t at : set) {
        waiting[keys.Of(rows_[at])].push_back(at);
      }
      TupleDesc row = DescribeRows(target_, key_->columns);
      TupleTableSlot* slot =
          pg::Call([&] { return MakeSingleTupleTableSlot(row, &TTSOpsMinimalTuple); });
      while (pg::Call([&] { return tuplestore_gettupleslot(stored, true, false, slot); })) {
        const auto found = waiting.find(keys.Of(slot));
        if (found != waiting.end() && !found->second.empty()) {
          found->second.pop_front();
        }
      }
      pg::Call([&] { ExecDropSingleTupleTableSlot(slot); });
      for (auto& [key, places] : waiting) {
        for (const size_t at : places) {
          Refuse(at);
        }
      }
    }
    pg::Call([&] { tuplestore_end(stored); });
  }

  void Refuse(size_t at) {
    if (key_->only) {
      duplicates_.emplace_back(
          at, Misfit{Kind::Constraint, "", "", "23505",
                     "duplicate key value violates unique constraint \"" + key_->name + "\"", 0});
      return;
    }
    // Which index it is that has the row already, the row finds out alone.
    const std::optional<pg::Error> error = pg::Attempt([&] {
      pg::Spi spi;
      InsertRow(target_, &rows_[at]);
    });
    if (error && MustRaise(target_, *error, replay_)) {
      throw *error;
    }
    if (error) {
      duplicates_.emplace_back(at, MisfitOf(target_, InTermsOfTable(target_, *error)));
    }
  }

  bool pass_over_ = false;
  bool saw_duplicates_ = false;
  const table::Target& target_;
  const citus::ManagedTable managed_ = citus::FindManagedTable(target_.shape().relid);
  std::vector<table::Row>& rows_;
  bool replay_;
  Results& results_;
  std::optional<UniqueKey> key_;
  std::vector<std::pair<size_t, Misfit>> duplicates_;
};

}  // namespace

bool StoreOnNodes(const table::Target& target, std::vector<table::Row>* rows, bool replay,
                  Results* results) {
  if (rows->size() == 1 || target.enrollment().on_conflict == table::OnConflict::Update) {
    return false;
  }
  NodeStore(target, rows, replay, results).Run();
  return true;
}

}  // namespace mend::store
