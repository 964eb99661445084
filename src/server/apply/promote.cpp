#include "server/apply/promote.h"

#include <algorithm>
#include <map>
#include <vector>

#include "core/base/hash.h"
#include "core/base/json_writer.h"
#include "core/plan/fingerprint.h"
#include "core/plan/wording.h"
#include "server/apply/promote_rows.h"
#include "server/citus/managed_table.h"
#include "server/observe/events.h"
#include "server/pg/catalog.h"
#include "server/pg/deadline.h"
#include "server/pg/latch.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/pg/test_point.h"
#include "server/pg/work_transaction.h"
#include "server/table/code.h"

namespace mend::apply {
namespace {

// Rows are locked for about as long at most: others may want them.
constexpr int64_t kLongBatchMs = 20, kShortBatchMs = 8;
constexpr int64_t kFewBlocks = 2, kManyBlocks = 128;
constexpr size_t kRowsOfLook = 2000, kRowsAtOnce = 100;
constexpr int64_t kLooking = -1;  // for a block: all were read, what is left is looked for
constexpr int64_t kPauseMs = 1000;

struct State {
  std::optional<int64_t> patch;
  Oid relation = InvalidOid;
  int64_t next_block = 0;
  int64_t block_count = 0;
};

// Of all that decides whether a value fits its column.
std::string TermsFingerprint(const table::Target& target) {
  base::Hash hash;
  hash.Add(plan::ShapeFingerprint(target.shape()));
  for (const table::FieldRecord& field : target.fields()) {
    hash.Add(field.field).Add(field.column.value_or("")).Add(field.held).Add(field.reading);
  }
  const table::Enrollment& terms = target.enrollment();
  hash.Add(uint64_t{terms.lossless}).Add(terms.naive_zone.value_or("")).Add(terms.rescue);
  for (const std::string& column : terms.lossy_columns) {
    hash.Add(column);
  }
  for (const std::string& word : terms.null_if) {
    hash.Add(word);
  }
  for (const std::string& column : terms.closed_columns) {
    hash.Add("closed").Add(column);
  }
  const Oid relid = target.shape().relid;
  hash.Add(table::StrangerIn(relid, pg::OwnerOf(relid)).value_or(""));
  return hash.Hex();
}

// The table, or its partitions that are tables of rows; in order of their OIDs.
std::vector<Oid> RelationsOf(Oid target) {
  const pg::Rows rows = pg::RunPrepared(
      "WITH RECURSIVE parts (relid) AS (SELECT $1 UNION ALL SELECT i.inhrelid FROM pg_inherits i, "
      "parts p, pg_class c WHERE i.inhparent = p.relid AND c.oid = p.relid AND c.relkind = 'p') "
      "SELECT c.oid FROM parts p JOIN pg_class c ON c.oid = p.relid JOIN pg_am a ON a.oid = "
      "c.relam "
      "WHERE c.relkind = 'r' AND a.amname = 'heap' ORDER BY 1",
      {pg::ObjectId(target)});
  std::vector<Oid> relations;
  for (size_t i = 0; i < rows.size(); ++i) {
    relations.push_back(rows.oid(i, 0));
  }
  return relations;
}

bool HasIndexOn(Oid relation, const std::string& column) {
  return pg::RunPrepared(
             "SELECT EXISTS (SELECT FROM pg_depend d JOIN pg_index i ON i.indexrelid = d.objid "
             "JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid WHERE "
             "d.classid = 'pg_class'::regclass AND d.refclassid = d.classid AND d.refobjid = $1 "
             "AND a.attname = $2 AND i.indisvalid)",
             {pg::ObjectId(relation), pg::Name(column)})
      .boolean(0, 0);
}

// Whether a transaction that was there before the promotion may still store rows of the old terms.
bool HasOlderWriters(Oid target) {
  return pg::RunPrepared(
             "SELECT EXISTS (SELECT FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid) WHERE "
             "l.relation = $1 AND l.database = (SELECT oid FROM pg_database WHERE datname = "
             "current_database()) AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND "
             "l.granted AND l.pid IS DISTINCT FROM pg_backend_pid() AND (a.xact_start IS NULL OR "
             "a.xact_start <= (SELECT started_at FROM mend.promotions WHERE target = $1)))",
             {pg::ObjectId(target)})
      .boolean(0, 0);
}

void SaveState(Oid target, const State& state, const MoveCounts& counts) {
  pg::RunPrepared(
      "UPDATE mend.promotions SET relation = nullif($2, 0::oid), next_block = $3, block_count = "
      "$4, moved = moved + $5, refused = refused + $6, refusal = coalesce(refusal, nullif($7, "
      "'')), "
      "not_before = NULL WHERE target = $1",
      {pg::ObjectId(target), pg::ObjectId(state.relation), pg::Int8(state.next_block),
       pg::Int8(state.block_count), pg::Int8(counts.rows), pg::Int8(counts.refused),
       pg::Text(counts.refusal)});
}

void Postpone(Oid target) {
  pg::RunPrepared(
      "UPDATE mend.promotions SET not_before = clock_timestamp() + $2 * interval '1 millisecond' "
      "WHERE target = $1",
      {pg::ObjectId(target), pg::Int8(kPauseMs)});
}

// What a look over the whole table has shown is what is rescued. It is told after the promotion has
// finished, else that would be asked for again.
void BookLeftOvers(const table::Target& target, const LeftOvers& left_overs) {
  const Oid relid = target.shape().relid;
  const pg::Rows known = pg::RunPrepared(
      "SELECT id, field, kind, cause FROM mend.drifts WHERE target = $1 AND rescued > 0 AND state "
      "<> "
      "'healed'",
      {pg::ObjectId(relid)});
  LeftOvers news = left_overs;
  for (size_t i = 0; i < known.size(); ++i) {
    const drift::Class key(
        known.text(i, 1), drift::KindFromName(known.text(i, 2)).value_or(drift::Kind::Malformed),
        drift::CauseFromCode(known.text(i, 3)).value_or(drift::Cause::Unspecified));
    const auto left = left_overs.find(key);
    pg::RunPrepared(
        "UPDATE mend.drifts d SET rescued = $2, row_count = greatest(row_count, $2), state = CASE "
        "WHEN $2 > 0 OR EXISTS (SELECT FROM mend.queue q WHERE q.target = d.target AND d.field = "
        "ANY (q.fields)) THEN state ELSE 'healed' END, reason = CASE WHEN $2 > 0 THEN reason END "
        "WHERE id = $1",
        {pg::Int8(known.int8(i, 0)),
         pg::Int8(left != left_overs.end() ? left->second.rows : int64_t{0})});
    news.erase(key);
  }
  for (const auto& [key, left] : news) {
    const auto& [field, kind, cause] = key;
    pg::RunPrepared(
        "INSERT INTO mend.rescues (target, target_name, field, column_name, kind, row_count, "
        "profile, samples, cause, seen_at) SELECT $1, $2, $3, nullif($4, '')::name, $5, $6, "
        "$7::jsonb, $8, $9, clock_timestamp() WHERE NOT EXISTS (SELECT FROM mend.rescues WHERE "
        "target = $1 AND field = $3 AND kind = "
        "$5 AND cause = $9)",
        {pg::ObjectId(relid), pg::Text(target.enrollment().target_name), pg::Text(field),
         pg::Text(left.column), pg::Text(drift::Name(kind)), pg::Int8(left.rows),
         pg::Text(left.profile.ToJson()), pg::TextArray(left.samples),
         pg::Text(drift::Code(cause))});
  }
  pg::RunPrepared(
      "DELETE FROM mend.rescue_samples s WHERE target = $1 AND NOT EXISTS (SELECT FROM mend.drifts "
      "d WHERE d.target = s.target AND d.field = s.field AND d.kind = s.kind AND d.rescued > 0 AND "
      "d.state <> 'healed')",
      {pg::ObjectId(relid)});
}

void Finish(const table::Target& target, const std::string& refusal) {
  const pg::Rows done = pg::RunPrepared(
      "UPDATE mend.promotions SET wanted = false, finished_at = clock_timestamp(), shape = $2, "
      "relation = NULL, next_block = 0, not_before = NULL, refusal = coalesce(nullif($3, ''), "
      "refusal) WHERE target = $1 RETURNING moved, refused, patch_id",
      {pg::ObjectId(target.shape().relid), pg::Text(TermsFingerprint(target)), pg::Text(refusal)});
  const int64_t moved = done.int8(0, 0), refused = done.int8(0, 1);
  if (moved > 0 || refused > 0 || !refusal.empty()) {
    std::optional<int64_t> patch;
    if (!done.IsNull(0, 2)) {
      patch = done.int8(0, 2);
    }
    observe::Record(
        "promoted", target.enrollment().target_name, patch,
        json::Writer().Object().Number("rows", moved).Number("refused", refused).Close().Take(),
        observe::kWorker);
  }
}

void (*check_between)() = nullptr;
const PromotionHost* host_now = nullptr;

class Promoter {
 public:
  Promoter(Oid target, const PromotionHost& host) : relid_(target), host_(host) {
    host_now = &host;
    check_between = [] { host_now->between_batches(); };
  }

  void Run(int for_ms) {
    const pg::Stopwatch took;
    while (!took.Past(for_ms)) {
      host_.between_batches();
      const pg::Stopwatch step;
      MoveCounts counts;
      if (!Step(&counts)) {
        return;
      }
      pg::TestPoint("promoting");
      Rest(counts.rows, step.Ms());
    }
  }

 private:
  // So that no more rows a second are moved than is wanted.
  void Rest(int64_t rows, int64_t took_ms) {
    for (int64_t rest = pg::promote_pace > 0 ? rows * 1000 / pg::promote_pace - took_ms : 0;
         rest > 0; rest -= kPauseMs / 10) {
      host_.between_batches();
      pg::Nap(static_cast<long>(std::min(rest, kPauseMs / 10)));
    }
  }

  // One transaction; false when there is no more to do now.
  bool Step(MoveCounts* counts) {
    pg::WorkTransaction transaction;
    pg::Call([&] { LockRelationOid(relid_, RowExclusiveLock); });
    const pg::Deadline deadline(pg::batch_timeout_ms);
    std::optional<State> state = Load();
    if (!state) {
      return false;
    }
    const std::shared_ptr<const table::Target> target = table::FindTarget(relid_);
    if (target->rescue_column() < 0) {
      Finish(*target, "the table has no such column of type jsonb any more");
      transaction.Commit();
      return false;
    }
    bool more = true;
    if (state->next_block == kLooking) {
      more = LookOver(&transaction, *target, counts);
    } else if (!NextRelation(*target, &*state)) {
      SaveState(relid_, *state, *counts);
      transaction.CommitUnflushed();
    } else {
      more = ReadBlocks(&transaction, *target, *state, counts);
    }
    host_.show("promoted " + std::to_string(moved_ += counts->rows));
    return more;
  }

  // Rows are changed as the owner, who has not asked for it: he runs his own code alone. False
  // where there is other code.
  bool RunsOwnCode(pg::WorkTransaction* transaction, const table::Target& target,
                   const std::vector<Oid>& relations) const {
    for (const Oid relation : relations) {
      const Oid owner = pg::OwnerOf(relation);
      if (const std::optional<std::string> stranger = table::StrangerIn(relid_, owner)) {
        Finish(target, "the table runs code of " + *stranger + ", and its owner " +
                           pg::RoleName(owner) + " has not the rights of that role");
        transaction->Commit();
        return false;
      }
    }
    return true;
  }

  std::optional<State> Load() {
    const pg::Rows row = pg::RunPrepared(
        "UPDATE mend.promotions SET started_at = coalesce(started_at, clock_timestamp()) WHERE "
        "target = $1 AND wanted AND coalesce(not_before <= clock_timestamp(), true) RETURNING "
        "patch_id, relation, next_block, block_count",
        {pg::ObjectId(relid_)});
    if (row.empty()) {
      return std::nullopt;
    }
    State state;
    state.relation = row.oid(0, 1);
    state.next_block = row.int8(0, 2);
    state.block_count = row.int8(0, 3);
    return state;
  }

  // Goes on to the relation that has the next blocks to read; false where only looking is left.
  bool NextRelation(const table::Target& target, State* state) {
    if (OidIsValid(state->relation) && state->next_block < state->block_count) {
      return true;
    }
    for (const Oid relation : RelationsOf(relid_)) {
      if (relation <= state->relation || HasIndexOn(relation, target.enrollment().rescue)) {
        continue;
      }
      state->relation = relation;
      state->next_block = 0;
      state->block_count = pg::Call([&]() -> int64_t {
        Relation opened = table_open(relation, RowExclusiveLock);
        const BlockNumber blocks = RelationGetNumberOfBlocks(opened);
        table_close(opened, NoLock);
        return blocks;
      });
      if (state->block_count > 0) {
        return true;
      }
    }
    state->relation = InvalidOid;
    state->next_block = kLooking;
    return false;
  }

  bool ReadBlocks(pg::WorkTransaction* transaction, const table::Target& target, State state,
                  MoveCounts* counts) {
    const pg::Stopwatch took;
    if (!RunsOwnCode(transaction, target, {state.relation})) {
      return false;
    }
    const int64_t end = std::min(state.next_block + blocks_, state.block_count);
    {
      const OwnerIdentity owner(state.relation);
      RescuedRows rows(target);
      *counts = rows.MoveBlocks(state.relation, state.next_block, end);
      state.next_block = end;
      SaveState(relid_, state, *counts);
      pg::TestPoint("promoting_blocks");
      transaction->CommitUnflushed();
    }
    if (took.Ms() > kLongBatchMs) {
      blocks_ = std::max(blocks_ / 2, kFewBlocks);
    } else if (took.Ms() < kShortBatchMs) {
      blocks_ = std::min(blocks_ * 2, kManyBlocks);
    }
    return true;
  }

  // What is left: rows that moved while blocks were read, or that others had locked.
  bool LookOver(pg::WorkTransaction* transaction, const table::Target& target, MoveCounts* counts) {
    if (HasOlderWriters(relid_)) {
      Postpone(relid_);
      transaction->Commit();
      return false;
    }
    std::vector<RowPlace> places;
    LeftOvers left_overs;
    std::string closed;
    const std::vector<Oid> relations = RelationsOf(relid_);
    if (!RunsOwnCode(transaction, target, relations)) {
      return false;
    }
    for (const Oid relation : relations) {
      if (places.size() < kRowsOfLook) {
        const OwnerIdentity owner(relation);
        RescuedRows rows(target);
        rows.Look(relation, kRowsOfLook, refused_, &places, &left_overs, check_between);
        closed = rows.closed().empty() ? closed : rows.closed();
      }
    }
    if (places.empty()) {
      Finish(target, closed.empty()
                         ? ""
                         : plan::Named("column", closed) +
                               " takes no rescued values: a policy names it, or who may write the "
                               "rescue column may not write it");
      BookLeftOvers(target, left_overs);
      pg::TestPoint("promoting_ends");
      transaction->Commit();
      return false;
    }
    transaction->Commit();
    pg::TestPoint("promoting_found");
    return MovePlaces(places, counts);
  }

  bool MovePlaces(const std::vector<RowPlace>& places, MoveCounts* counts) {
    for (size_t first = 0; first < places.size();) {
      host_.between_batches();
      std::vector<ItemPointerData> some;
      const Oid relation = places[first].relation;
      size_t end = first;
      for (; end < places.size() && places[end].relation == relation && some.size() < kRowsAtOnce;
           ++end) {
        some.push_back(places[end].place);
      }
      const MoveCounts batch = MoveSome(relation, some);
      if (batch.refused > 0) {
        refused_.insert(places.begin() + static_cast<std::ptrdiff_t>(first),
                        places.begin() + static_cast<std::ptrdiff_t>(end));
      }
      counts->rows += batch.rows;
      counts->refused += batch.refused;
      first = end;
    }
    if (counts->rows > 0 || counts->refused > 0) {
      return true;
    }
    // Others have them locked.
    pg::WorkTransaction transaction;
    Postpone(relid_);
    transaction.Commit();
    return false;
  }

  MoveCounts MoveSome(Oid relation, const std::vector<ItemPointerData>& places) {
    pg::WorkTransaction transaction;
    pg::Call([&] { LockRelationOid(relid_, RowExclusiveLock); });
    const pg::Deadline deadline(pg::batch_timeout_ms);
    const std::shared_ptr<const table::Target> target = table::FindTarget(relid_);
    if (target->rescue_column() < 0) {
      return {};
    }
    const OwnerIdentity owner(relation);
    const MoveCounts counts = RescuedRows(*target).MoveRows(relation, places);
    State looking;
    looking.next_block = kLooking;
    SaveState(relid_, looking, counts);
    pg::TestPoint("promoting_rows");
    transaction.CommitUnflushed();
    return counts;
  }

  Oid relid_;
  const PromotionHost& host_;
  int64_t blocks_ = kFewBlocks;
  int64_t moved_ = 0;
  std::set<RowPlace> refused_;
};

// The table's own code, its policies or its owner's rights are to blame: the table must heal on.
bool IsTheTables(const pg::Error& error) {
  return !error.MustPropagate() && !error.IsClass("40") && !error.IsClass("53") &&
         !error.IsClass("57") && !error.IsClass("58") && !error.IsClass("XX") &&
         error.sqlerrcode() != ERRCODE_LOCK_NOT_AVAILABLE;
}

}  // namespace

void RequestPromotion(const table::Target& target, std::optional<int64_t> patch_id) {
  pg::RunPrepared(
      "INSERT INTO mend.promotions AS p (target, target_name, patch_id) VALUES ($1, $2, $3) ON "
      "CONFLICT (target) DO UPDATE SET target_name = excluded.target_name, patch_id = "
      "excluded.patch_id, wanted = true, relation = NULL, next_block = 0, block_count = 0, moved = "
      "CASE WHEN p.wanted THEN p.moved ELSE 0 END, refused = 0, refusal = NULL, not_before = NULL, "
      "started_at = NULL, finished_at = NULL",
      {pg::ObjectId(target.shape().relid), pg::Text(target.enrollment().target_name),
       pg::Int8(patch_id)});
}

bool WatchRescued(const table::Target& target) {
  const pg::Rows drifts = pg::RunPrepared(
      "SELECT field, kind, state <> 'dead_lettered' FROM mend.drifts WHERE target = $1 AND rescued "
      "> 0 AND state <> 'healed'",
      {pg::ObjectId(target.shape().relid)});
  const pg::Rows last = pg::RunPrepared(
      "SELECT wanted, shape, refusal IS NOT NULL FROM mend.promotions WHERE target = $1",
      {pg::ObjectId(target.shape().relid)});
  bool waits = false, wanted = false;
  for (size_t i = 0; i < drifts.size(); ++i) {
    waits = waits || drifts.boolean(i, 2);
    const bool is_new = drifts.text(i, 1) == drift::Name(drift::Kind::NewField);
    wanted = wanted ||
             (is_new ? target.Resolve(drifts.text(i, 0)).kind != table::Resolution::Kind::Unknown
                     : last.empty());
  }
  if (drifts.empty() || (!last.empty() && last.boolean(0, 0))) {
    return waits;
  }
  const std::string now = TermsFingerprint(target);
  const bool has_changed = !last.empty() && last.text(0, 1) != now;
  // What the table has refused it is asked anew when something has changed.
  if (has_changed || (wanted && (last.empty() || !last.boolean(0, 2)))) {
    RequestPromotion(target, std::nullopt);
  } else if (last.empty()) {
    pg::RunPrepared(
        "INSERT INTO mend.promotions (target, target_name, shape, wanted) VALUES ($1, $2, $3, "
        "false)",
        {pg::ObjectId(target.shape().relid), pg::Text(target.enrollment().target_name),
         pg::Text(now)});
  }
  return waits;
}

void PromoteRescued(Oid target, const PromotionHost& host, int for_ms) {
  try {
    Promoter(target, host).Run(for_ms);
  } catch (const pg::Error& error) {
    if (!IsTheTables(error)) {
      throw;
    }
    const std::string why = error.what();
    const std::string sqlstate = error.sqlstate();
    pg::WorkTransaction transaction;
    Finish(*table::FindTarget(target), sqlstate + ": " + why);
    transaction.Commit();
  }
}

}  // namespace mend::apply
