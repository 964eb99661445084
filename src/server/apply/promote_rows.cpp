#include "server/apply/promote_rows.h"

#include <algorithm>
#include <exception>

#include "core/base/json_writer.h"
#include "server/convert/convert.h"
#include "server/pg/catalog.h"
#include "server/pg/memory.h"
#include "server/pg/spi.h"

namespace mend::apply {
namespace {

constexpr long kFetchedAtOnce = 500;
constexpr size_t kMaxSampleBytes = 8 * 1024;
constexpr size_t kMaxSamples = 6, kMaxLeftOvers = 2000;

// The search_path of the role in this database, of the role, or of the database; else PostgreSQL's
// own. A row that a policy hides would be passed over: such a statement fails instead.
std::string SettingsOf(Oid role) {
  const std::string path =
      pg::RunPrepared(
          "SELECT coalesce((SELECT substr(c, 13) FROM pg_db_role_setting s, unnest(s.setconfig) c "
          "WHERE c LIKE 'search\\_path=%' AND s.setdatabase IN (0, $1) AND s.setrole IN (0, $2) "
          "ORDER BY s.setrole = 0, s.setdatabase = 0 LIMIT 1), '\"$user\", public')",
          {pg::ObjectId(MyDatabaseId), pg::ObjectId(role)})
          .text(0, 0);
  json::Writer settings;
  settings.Object().String("row_security", "off").String("search_path", path);
  return settings.Close().Take();
}

// An evaluator forgets the memory of the scope at its end.
class Forgetting {
 public:
  explicit Forgetting(ingest::Evaluator* evaluator) : evaluator_(evaluator) {}
  ~Forgetting() { evaluator_->ForgetMemory(); }
  Forgetting(const Forgetting&) = delete;
  Forgetting& operator=(const Forgetting&) = delete;

 private:
  ingest::Evaluator* evaluator_;
};

Datum Place(const ItemPointerData& place) {
  return PointerGetDatum(const_cast<ItemPointerData*>(&place));
}

ItemPointerData Begin(int64_t block) {
  ItemPointerData place;
  ItemPointerSet(&place, static_cast<BlockNumber>(block), 0);
  return place;
}

// Has deferred constraints judge the rows now, where it is still known which they are.
void JudgeDeferred() {
  pg::Call([] {
    ConstraintsSetStmt* all = makeNode(ConstraintsSetStmt);
    AfterTriggerSetState(all);
  });
}

void Remember(LeftOvers* left_overs, const drift::Misfit& misfit,
              const convert::JsonbPart& object) {
  const drift::Class key = drift::ClassOf(misfit);
  if (left_overs->size() >= kMaxLeftOvers && left_overs->count(key) == 0) {
    return;
  }
  LeftOver& left = (*left_overs)[key];
  left.column = misfit.column;
  ++left.rows;
  const std::optional<convert::JsonbPart> value =
      convert::FindKey(object.container(), misfit.field);
  if (!value) {
    return;
  }
  const std::string_view text = convert::TextOf(*value);
  json::Document document;
  if (!document.Parse(text)) {
    left.profile.Add(document.root());
  }
  if (left.samples.size() < kMaxSamples && text.size() <= kMaxSampleBytes) {
    left.samples.push_back(json::Writer().Object().Raw(misfit.field, text).Close().Take());
  }
}

}  // namespace

OwnerIdentity::OwnerIdentity(Oid relid)
    : code_(pg::Identity{pg::OwnerOf(relid), pg::OwnerOf(relid), SettingsOf(pg::OwnerOf(relid))},
            pg::ForeignCode::Until::Transaction) {}

bool RowPlace::operator<(const RowPlace& other) const {
  return relation != other.relation
             ? relation < other.relation
             : ItemPointerCompare(const_cast<ItemPointerData*>(&place),
                                  const_cast<ItemPointerData*>(&other.place)) < 0;
}

struct RescuedRows::Found {
  ItemPointerData place;
  Jsonb* object;
  std::vector<char> empty;  // by watched_
};

RescuedRows::RescuedRows(const table::Target& target)
    : target_(target),
      rescue_(pg::QuoteIdentifier(target.enrollment().rescue)),
      evaluator_(target) {
  const pg::Rows given = pg::RunPrepared(
      "SELECT attname::text, (attmissingval::text::text[])[1] FROM pg_attribute WHERE attrelid = "
      "$1 AND atthasmissing",
      {pg::ObjectId(target.shape().relid)});
  for (size_t i = 0; i < given.size(); ++i) {
    given_[given.text(i, 0)] = given.text(i, 1);
  }
}

std::string RescuedRows::SelectSql(Oid relation) const {
  std::string sql = "SELECT ctid, " + rescue_;
  for (int index : watched_) {
    const std::string& name = target_.shape().columns[static_cast<size_t>(index)].name;
    const std::string column = pg::QuoteIdentifier(name);
    sql += ", " + column + " IS NULL";
    // A row that is older than the column has its default, which nobody gave it.
    if (const auto given = given_.find(name); given != given_.end()) {
      char* literal = pg::Call([&] { return quote_literal_cstr(given->second.c_str()); });
      sql += " OR " + column + "::pg_catalog.text OPERATOR(pg_catalog.=) " + literal;
    }
  }
  return sql + " FROM ONLY " + pg::QualifiedName(relation) + " WHERE " + rescue_ + " IS NOT NULL";
}

std::vector<RescuedRows::Found> RescuedRows::Read(SPITupleTable* table, size_t rows) const {
  std::vector<Found> found;
  found.reserve(rows);
  for (size_t i = 0; i < rows; ++i) {
    Found& one = found.emplace_back();
    one.empty.resize(watched_.size());
    pg::Call([&] {
      bool null = false;
      HeapTuple tuple = table->vals[i];
      one.place = *reinterpret_cast<ItemPointer>(
          DatumGetPointer(SPI_getbinval(tuple, table->tupdesc, 1, &null)));
      one.object = DatumGetJsonbP(SPI_getbinval(tuple, table->tupdesc, 2, &null));
      for (size_t k = 0; k < one.empty.size(); ++k) {
        one.empty[k] =
            DatumGetBool(SPI_getbinval(tuple, table->tupdesc, static_cast<int>(k) + 3, &null));
      }
    });
  }
  return found;
}

bool RescuedRows::WatchMore(const std::vector<Found>& rows) {
  const size_t before = watched_.size();
  for (const Found& found : rows) {
    if (!JB_ROOT_IS_OBJECT(found.object)) {
      continue;
    }
    const auto count = static_cast<uint32_t>(JB_ROOT_COUNT(found.object));
    convert::JsonbParts keys(&found.object->root);
    for (uint32_t i = 0; i < count; ++i) {
      const table::Resolution meant = target_.Resolve(keys.Next().text());
      if (meant.kind == table::Resolution::Kind::Column &&
          std::find(watched_.begin(), watched_.end(), meant.column) == watched_.end()) {
        watched_.push_back(meant.column);
      }
    }
  }
  return watched_.size() > before;
}

std::vector<std::pair<std::string, int>> RescuedRows::Judge(const Found& found,
                                                            LeftOvers* left_overs) {
  std::vector<std::pair<std::string, int>> moves;
  if (!JB_ROOT_IS_OBJECT(found.object)) {
    return moves;  // somebody else's
  }
  const convert::JsonbPart object = convert::WholeOf(found.object);
  std::vector<ingest::Evaluator::Promoted> fields;
  std::vector<drift::Misfit> misfits;
  evaluator_.EvaluateRescued(object, &row_, &fields, &misfits);
  for (const ingest::Evaluator::Promoted& field : fields) {
    if (field.column >= 0) {
      const std::string& name = target_.shape().columns[static_cast<size_t>(field.column)].name;
      if (target_.enrollment().closed_columns.count(name) > 0) {
        closed_ = name;
        continue;
      }
    }
    const auto watched = std::find(watched_.begin(), watched_.end(), field.column);
    if (field.column >= 0 && watched != watched_.end() &&
        found.empty[static_cast<size_t>(watched - watched_.begin())] != 0) {
      moves.emplace_back(field.field, field.column);
    }
  }
  for (const drift::Misfit& misfit : misfits) {
    if (left_overs != nullptr && !drift::IsFinal(misfit.kind)) {
      Remember(left_overs, misfit, object);
    }
  }
  return moves;
}

SPIPlanPtr RescuedRows::PlanOf(const std::string& sql, const std::vector<Oid>& types) {
  SPIPlanPtr& plan = plans_[sql];
  if (plan == nullptr) {
    plan = pg::Call([&] {
      SPIPlanPtr made = SPI_prepare_cursor(sql.c_str(), static_cast<int>(types.size()),
                                           const_cast<Oid*>(types.data()), CURSOR_OPT_GENERIC_PLAN);
      if (made == nullptr) {
        elog(ERROR, "SPI_prepare: %s", SPI_result_code_string(SPI_result));
      }
      return made;
    });
  }
  return plan;
}

bool RescuedRows::Update(Oid relation, const Found& found,
                         const std::vector<std::pair<std::string, int>>& moves) {
  std::string sql = "UPDATE ONLY " + pg::QualifiedName(relation) + " SET ";
  std::vector<Datum> values;
  std::vector<Oid> types;
  std::string nulls;
  std::vector<std::string> fields;
  for (const auto& [field, index] : moves) {
    const plan::Column& column = target_.shape().columns[static_cast<size_t>(index)];
    const auto at = std::find(row_.columns.begin(), row_.columns.end(), index);
    const auto offset = static_cast<size_t>(at - row_.columns.begin());
    values.push_back(row_.values[offset]);
    nulls += row_.nulls[offset] != 0 ? 'n' : ' ';
    types.push_back(column.type.oid);
    sql += pg::QuoteIdentifier(column.name) + " = $" + std::to_string(values.size()) + ", ";
    fields.push_back(field);
  }
  const std::string left =
      "(" + rescue_ + " OPERATOR(pg_catalog.-) $" + std::to_string(values.size() + 1) + ")";
  sql += rescue_ + " = CASE WHEN " + left +
         " OPERATOR(pg_catalog.<>) '{}'::pg_catalog.jsonb THEN " + left +
         " END WHERE ctid OPERATOR(pg_catalog.=) $" + std::to_string(values.size() + 2);
  values.push_back(pg::TextArray(fields).value);
  types.push_back(TEXTARRAYOID);
  values.push_back(Place(found.place));
  types.push_back(TIDOID);
  nulls += "  ";
  const SPIPlanPtr plan = PlanOf(sql, types);
  const int result =
      pg::Call([&] { return SPI_execute_plan(plan, values.data(), nulls.c_str(), false, 0); });
  return result == SPI_OK_UPDATE && SPI_processed == 1;
}

MoveCounts RescuedRows::Move(Oid relation, const std::string& where,
                             const std::vector<Datum>& values, const std::vector<Oid>& types) {
  MoveCounts counts;
  plans_.clear();  // of an earlier connection
  pg::Spi spi;
  pg::Context memory("pg_mend rescued rows");
  const pg::Switch here(memory.get());
  const Forgetting forgetting(&evaluator_);
  std::vector<Found> rows;
  // Rows that were changed since the snapshot come as they are now: they are locked.
  do {
    const std::string sql =
        SelectSql(relation) + " AND " + where + " FOR NO KEY UPDATE SKIP LOCKED";
    pg::Call([&] {
      if (SPI_execute_with_args(sql.c_str(), static_cast<int>(values.size()),
                                const_cast<Oid*>(types.data()), const_cast<Datum*>(values.data()),
                                nullptr, false, 0) != SPI_OK_SELECT) {
        elog(ERROR, "SPI: rescued rows cannot be read");
      }
    });
    rows = Read(SPI_tuptable, SPI_processed);
  } while (WatchMore(rows));
  const auto update_all = [&](size_t first, size_t end) {
    int64_t changed = 0;
    for (size_t i = first; i < end; ++i) {
      pg::CheckInterrupts();
      const auto moves = Judge(rows[i], nullptr);
      changed += !moves.empty() && Update(relation, rows[i], moves) ? 1 : 0;
    }
    JudgeDeferred();
    return changed;
  };
  for (const Found& found : rows) {
    counts.found += Judge(found, nullptr).empty() ? 0 : 1;
  }
  if (counts.found == 0) {
    return counts;
  }
  std::optional<pg::Error> error = pg::Attempt([&] { counts.rows = update_all(0, rows.size()); });
  if (!error) {
    counts.refused = counts.found - counts.rows;
    counts.refusal = counts.refused > 0 ? "a trigger of the table keeps the row as it is" : "";
    return counts;
  }
  counts.rows = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (pg::MustRaise(*error) && error->sqlerrcode() != ERRCODE_INSUFFICIENT_PRIVILEGE) {
      throw *error;
    }
    int64_t changed = 0;
    const std::optional<pg::Error> own = pg::Attempt([&] { changed = update_all(i, i + 1); });
    counts.rows += changed;
    if (own) {
      error = own;
      if (counts.refusal.empty()) {
        counts.refusal = own->sqlstate() + ": " + own->what();
      }
    }
  }
  counts.refused = counts.found - counts.rows;
  return counts;
}

MoveCounts RescuedRows::MoveBlocks(Oid relation, int64_t first, int64_t end) {
  const ItemPointerData from = Begin(first), to = Begin(end);
  return Move(relation, "ctid OPERATOR(pg_catalog.>=) $1 AND ctid OPERATOR(pg_catalog.<) $2",
              {Place(from), Place(to)}, {TIDOID, TIDOID});
}

MoveCounts RescuedRows::MoveRows(Oid relation, const std::vector<ItemPointerData>& places) {
  const Datum array = pg::Call([&] {
    auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * (places.size() + 1)));
    for (size_t i = 0; i < places.size(); ++i) {
      elements[i] = Place(places[i]);
    }
    return PointerGetDatum(construct_array(elements, static_cast<int>(places.size()), TIDOID,
                                           sizeof(ItemPointerData), false, TYPALIGN_SHORT));
  });
  return Move(relation, "ctid OPERATOR(pg_catalog.=) ANY ($1)", {array}, {TIDARRAYOID});
}

void RescuedRows::Look(Oid relation, size_t limit, const std::set<RowPlace>& without,
                       std::vector<RowPlace>* places, LeftOvers* left_overs,
                       void (*between_batches)()) {
  pg::Spi spi;
  const LeftOvers before = *left_overs;
  for (bool again = true; again;) {
    again = false;
    *left_overs = before;
    const std::string sql = SelectSql(relation);
    Portal cursor = pg::Call([&] {
      return SPI_cursor_open_with_args(nullptr, sql.c_str(), 0, nullptr, nullptr, nullptr, true,
                                       CURSOR_OPT_NO_SCROLL);
    });
    pg::Context scratch("pg_mend rescued rows");
    while (!again && places->size() < limit) {
      between_batches();
      pg::Call([&] { SPI_cursor_fetch(cursor, true, kFetchedAtOnce); });
      const size_t fetched = SPI_processed;
      if (fetched == 0) {
        break;
      }
      {
        pg::Switch here(scratch.get());
        const std::vector<Found> rows = Read(SPI_tuptable, fetched);
        // Once a column: what was found so far is found again.
        again = WatchMore(rows);
        for (size_t i = 0; i < rows.size() && !again && places->size() < limit; ++i) {
          pg::CheckInterrupts();
          if (!Judge(rows[i], left_overs).empty() &&
              without.count({relation, rows[i].place}) == 0) {
            places->push_back({relation, rows[i].place});
          }
        }
      }
      evaluator_.ForgetMemory();
      scratch.Reset();
      pg::Call([&] { SPI_freetuptable(SPI_tuptable); });
    }
    pg::Call([&] { SPI_cursor_close(cursor); });
    if (again) {
      // Of this relation alone: others were read before.
      places->erase(
          std::remove_if(places->begin(), places->end(),
                         [&](const RowPlace& place) { return place.relation == relation; }),
          places->end());
    }
  }
}

}  // namespace mend::apply
