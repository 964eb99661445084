// The breaker of a table: stops a flood of patches and of columns, and closes by itself. Its state
// is in mend.progress and what it counts in mend.patches, so that a restart forgets nothing.
//
//            too many                  its time has come
//   closed ------------> open (waits) ------------------> half open: a probe of the most frequent
//   fields is planned
//      ^                  ^                                    |
//      |                  +--- still too many: twice as long --+
//      +------------------------- few enough ------------------+
#include <algorithm>

#include "core/base/json_writer.h"
#include "core/limits/breaker.h"
#include "server/apply/drifts.h"
#include "server/heal/round_state.h"
#include "server/observe/events.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"

namespace mend::heal {
namespace {

bool IsNew(const drift::Drift& drift) { return drift.kind == drift::Kind::NewField; }

void RecordBreaker(const RoundState& round, const char* kind, const std::string& reason) {
  observe::Record(kind, round.target_name, std::nullopt,
                  json::Writer().Object().String("reason", reason).Close().Take(),
                  observe::kWorker);
}

void HoldBack(RoundState* round, const drift::DriftSet& drifts, const std::string& reason,
              int64_t pause_ms) {
  for (const drift::Drift& drift : drifts) {
    round->Decide(drift, queue::RowOutcome::Kind::Wait, reason);
  }
  round->EscalateState("breaker", reason);
  round->PauseFor(pause_ms);
}

void Open(RoundState* round, const std::string& reason, int64_t pause_ms) {
  pg::RunPrepared(
      "UPDATE mend.progress SET breaker_until = clock_timestamp() + $2 * interval '1 millisecond', "
      "breaker_tries = breaker_tries + 1 WHERE target = $1",
      {pg::ObjectId(round->target), pg::Int8(pause_ms)});
  if (!round->breaker_open) {
    RecordBreaker(*round, "breaker_opened", reason);
  }
  round->breaker_open = true;
}

void Close(RoundState* round) {
  if (!round->breaker_open) {
    return;
  }
  pg::RunPrepared(
      "UPDATE mend.progress SET breaker_until = NULL, breaker_tries = 0 WHERE target = $1",
      {pg::ObjectId(round->target)});
  RecordBreaker(*round, "breaker_closed", "few enough");
  round->breaker_open = false;
}

// How often the patches of the last hour have taken the lock on the table: those that were applied,
// and those that failed, the latter by the role whose rows asked for them, where it is one.
struct Hour {
  int64_t applied = 0, failed = 0, most_failed = 0;
  int64_t until_ms = 0;  // until the oldest leaves the hour: lets one through, the probe
  std::vector<int64_t>
      over_the_limit;  // roles whose failures, with all that is not theirs, are too many
};

Hour LastHour(Oid target) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT submitter, count(*) FILTER (WHERE state <> 'failed'), count(*) FILTER (WHERE state = "
      "'failed'), (extract(epoch FROM min(at) + interval '1 hour' - clock_timestamp()) * "
      "1000)::bigint FROM (SELECT state, coalesce(applied_at, created_at) AS at, CASE WHEN state = "
      "'failed' THEN coalesce((evidence #>> '{proof,submitter}')::bigint, 0) ELSE 0 END AS "
      "submitter FROM mend.patches WHERE target = $1 AND (applied_at IS NOT NULL OR state = "
      "'failed' AND planner <> 'person')) p WHERE at > greatest(clock_timestamp() - interval '1 "
      "hour', (SELECT breaker_reset FROM mend.progress WHERE target = $1)) GROUP BY 1 ORDER BY 1",
      {pg::ObjectId(target)});
  Hour hour;
  for (size_t i = 0; i < rows.size(); ++i) {
    hour.until_ms = i == 0 ? rows.int8(i, 3) : std::min(hour.until_ms, rows.int8(i, 3));
    hour.applied += rows.int8(i, 1);
    hour.failed += rows.int8(i, 0) == 0 ? rows.int8(i, 2) : 0;
  }
  const int64_t common = hour.applied + hour.failed;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows.int8(i, 0) == 0) {
      continue;
    }
    hour.most_failed = std::max(hour.most_failed, rows.int8(i, 2));
    if (common + rows.int8(i, 2) >= pg::patches_per_hour) {
      hour.over_the_limit.push_back(rows.int8(i, 0));
    }
  }
  return hour;
}

bool OthersAsk(Oid target, const drift::Drift& drift, const std::vector<int64_t>& roles) {
  return drift.rescued > 0 ||
         !pg::RunPrepared(
              "SELECT FROM mend.queue WHERE target = $1 AND $2 = ANY (fields) AND submitter <> ALL "
              "($3::oid[]) LIMIT 1",
              {pg::ObjectId(target), pg::Text(drift.field), pg::Int8Array(roles)})
              .empty();
}

// Holds back what the breaker is open for: all, or what only roles ask for whose patches have
// failed too often. Whether anything is left.
bool WithinHour(RoundState* round, drift::DriftSet* drifts) {
  if (pg::patches_per_hour <= 0) {
    return true;
  }
  const Hour hour = LastHour(round->target);
  const bool full = hour.applied + hour.failed >= pg::patches_per_hour;
  if (!full && hour.over_the_limit.empty()) {
    return true;
  }
  const int64_t failed = hour.failed + (full ? 0 : hour.most_failed);
  const std::string reason =
      std::to_string(hour.applied + failed) + " patches in an hour (mend.patches_per_hour)" +
      (failed > 0 ? ", of which " + std::to_string(failed) + " failed" : "") +
      ": the sender may be flooding";
  const int64_t pause_ms = std::max<int64_t>(hour.until_ms, 1000);
  const auto middle =
      std::stable_partition(drifts->begin(), drifts->end(), [&](const drift::Drift& drift) {
        return !full && OthersAsk(round->target, drift, hour.over_the_limit);
      });
  drift::DriftSet held(std::make_move_iterator(middle), std::make_move_iterator(drifts->end()));
  drifts->erase(middle, drifts->end());
  if (drifts->empty()) {
    Open(round, reason, pause_ms);
  }
  HoldBack(round, held, reason, pause_ms);
  return !drifts->empty();
}

struct Breaker {
  bool open = false;
  int64_t remaining_ms = 0;
  int tries = 0;
};

Breaker Load(Oid target) {
  pg::Rows rows = pg::RunPrepared(
      "SELECT breaker_until IS NOT NULL, breaker_tries, least(coalesce(extract(epoch FROM "
      "breaker_until - "
      "clock_timestamp()) * 1000, 0), 1e12)::bigint FROM mend.progress WHERE target = $1",
      {pg::ObjectId(target)});
  return {rows.boolean(0, 0), rows.int8(0, 2), static_cast<int>(rows.int8(0, 1))};
}

// More new fields than the table has room for. A sender who makes up names shows each of them once,
// and a field that is meant shows again: so the fields of many rows are tried, a few at a time, and
// what only one row has shown is for a person.
drift::DriftSet ProbeColumns(RoundState* round, drift::DriftSet fresh, int64_t room,
                             const std::string& reason) {
  std::stable_sort(fresh.begin(), fresh.end(), [](const drift::Drift& a, const drift::Drift& b) {
    return a.row_count > b.row_count;
  });
  drift::DriftSet probe, held;
  for (drift::Drift& drift : fresh) {
    if (drift.row_count < limits::kRowsThatMeanAField) {
      round->Decide(drift, queue::RowOutcome::Kind::DeadLetter,
                    reason + "; only one payload has this field");
    } else if (static_cast<int64_t>(probe.size()) < std::min(room, limits::kProbeColumns)) {
      probe.push_back(std::move(drift));
    } else {
      held.push_back(std::move(drift));
    }
  }
  if (held.empty()) {
    Close(round);
  } else {
    int64_t pause_ms = limits::BreakerPauseMs(Load(round->target).tries + 1);
    Open(round, reason, pause_ms);
    HoldBack(round, held, reason, pause_ms);
  }
  return probe;
}

}  // namespace

void ProfileUnrecorded(RoundState* round) {
  if (round->unrecorded == 0) {
    return;
  }
  round->shared->Join();
  size_t waiting = 0;
  const apply::DriftStore book(round->target);
  for (const drift::Drift& drift : book.drifts()) {
    const queue::RowOutcome* outcome = round->outcome_policy.Find(drift::ClassOf(drift));
    waiting +=
        IsNew(drift) && (outcome == nullptr || outcome->kind != queue::RowOutcome::Kind::DeadLetter)
            ? 1
            : 0;
  }
  if (waiting > limits::kMostNewFields / 2) {
    round->outcome_policy.SetUnrecorded(queue::RowOutcome::Kind::Wait,
                                        "too many new fields wait: this one is not recorded");
  } else {
    round->outcome_policy.SetUnrecorded(queue::RowOutcome::Kind::Reprofile,
                                        "there is room for its fields now");
    round->unrecorded = 0;
    round->replay_all = true;
  }
  round->shared->CommitUnlessYoung();
}

drift::DriftSet Admitted(RoundState* round, const plan::Shape& shape, drift::DriftSet drifts) {
  if (drifts.empty() || !WithinHour(round, &drifts)) {
    return {};
  }
  int64_t wanted = std::count_if(drifts.begin(), drifts.end(), IsNew);
  int64_t room = std::max<int64_t>(pg::max_columns - shape.max_attnum, 0);
  // What a payload asks is judged by itself: where one asks for more than there is room for, its
  // neighbours get what they ask for.
  const auto floods = [all = room](const drift::Drift& drift) {
    return IsNew(drift) && drift.profile.fewest_new_fields() > all;
  };
  const int64_t flood = std::count_if(drifts.begin(), drifts.end(), floods);
  const bool judged_apart = flood > 0 && wanted - flood <= room;
  if (judged_apart) {
    room -= wanted - flood;
    wanted = flood;
  }
  if (wanted == 0 || wanted <= room) {
    Close(round);
    return drifts;
  }
  std::string reason = std::to_string(wanted) + " new fields" +
                       (round->unrecorded > 0 ? ", and more that are not recorded," : "") +
                       " would take the table past " + std::to_string(pg::max_columns) +
                       " columns (mend.max_columns)";
  auto middle = std::stable_partition(drifts.begin(), drifts.end(), [&](const drift::Drift& drift) {
    return judged_apart ? !floods(drift) : !IsNew(drift);
  });
  drift::DriftSet fresh(std::make_move_iterator(middle), std::make_move_iterator(drifts.end()));
  drifts.erase(middle, drifts.end());
  Breaker breaker = Load(round->target);
  if (!breaker.open) {
    breaker.remaining_ms = limits::BreakerPauseMs(1);
    Open(round, reason, breaker.remaining_ms);
  }
  if (breaker.remaining_ms > 0) {
    HoldBack(round, fresh, reason, breaker.remaining_ms);
    return drifts;
  }
  for (drift::Drift& drift : ProbeColumns(round, std::move(fresh), room, reason)) {
    drifts.push_back(std::move(drift));
  }
  return drifts;
}

}  // namespace mend::heal
