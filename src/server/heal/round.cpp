#include "server/heal/round.h"

#include <algorithm>

#include "core/limits/breaker.h"
#include "server/apply/active_unit.h"
#include "server/apply/promote.h"
#include "server/apply/proof_in_turns.h"
#include "server/apply/submitter.h"
#include "server/heal/round_state.h"
#include "server/pg/deadline.h"
#include "server/pg/settings.h"
#include "server/pg/test_point.h"
#include "server/pg/work_transaction.h"
#include "server/queue/queue_scan.h"

namespace mend::heal {
namespace {

int Rank(const std::string& state) {
  if (state == "breaker") {
    return 3;
  }
  return state == "review" ? 2 : state == "waiting" ? 1 : 0;
}

}  // namespace

bool RoundState::Decided(const drift::Drift& drift) const {
  return std::any_of(drift_ends.begin(), drift_ends.end(), [&](const DriftEnd& settled) {
    return settled.values == drift::ClassOf(drift);
  });
}

void RoundState::Decide(const drift::Drift& drift, queue::RowOutcome::Kind to,
                        const std::string& why, std::optional<int64_t> patch) {
  outcome_policy.Set(drift::ClassOf(drift), to, why, patch);
  drift_ends.push_back({drift.id, drift::ClassOf(drift),
                        to == queue::RowOutcome::Kind::DeadLetter ? "dead_lettered" : "waiting",
                        why, patch});
}

void RoundState::Reopen(const drift::Drift& drift) {
  const drift::Class values = drift::ClassOf(drift);
  outcome_policy.Forget(values);
  drift_ends.erase(std::remove_if(drift_ends.begin(), drift_ends.end(),
                                  [&](const DriftEnd& one) { return one.values == values; }),
                   drift_ends.end());
}

void RoundState::Healed(const drift::Drift& drift, int64_t patch) {
  outcome_policy.Set(drift::ClassOf(drift), queue::RowOutcome::Kind::DeadLetter,
                     "it still does not fit after patch " + std::to_string(patch), patch);
  drift_ends.push_back({drift.id, drift::ClassOf(drift), "healed", "", patch});
}

void RoundState::PauseFor(int64_t ms) { pause_ms = std::min(pause_ms.value_or(ms), ms); }

void RoundState::EscalateState(const char* new_state, const std::string& new_reason) {
  if (Rank(new_state) > Rank(state)) {
    state = new_state;
    reason = new_reason;
  }
}

namespace {

// What costs about the same for a few rows and for many (a flushed commit, the books) is shared by
// more of them while they are quick: a transaction of so many times mend.batch_size rows takes no
// longer than this, and keeps away from its time-out.
constexpr size_t kTimesWhenQuick = 4;
constexpr int64_t kQuickMs = 200;

size_t TimesAtOnce(size_t rows, int64_t took_ms) {
  const auto many = static_cast<int64_t>(kTimesWhenQuick) * pg::batch_size;
  const int64_t limit = std::min<int64_t>(kQuickMs, pg::batch_timeout_ms / 4);
  return took_ms * many <= limit * static_cast<int64_t>(rows) ? kTimesWhenQuick : 1;
}

}  // namespace

void CheckTableTurn(RoundState* round) {
  round->host->CheckMustYield(round->target);
  if (round->slice.Past(std::min(limits::kTimeSliceMs, pg::batch_timeout_ms)) &&
      round->host->OthersAreDue(round->target)) {
    throw MustYield();
  }
}

void CheckTurn(RoundState* round) {
  if (round->host->TurnIsOver()) {
    throw MustYield();
  }
  CheckTableTurn(round);
}

void ReplayWaiting(RoundState* round) {
  round->slice = pg::Stopwatch();
  round->shared->CommitUnflushed();  // with the next commit that is flushed
  queue::Window window = round->replay_all ? queue::Window() : round->window;
  queue::ReplayGroupReader runs(queue::QueueReader(
      round->target, window, round->replay_all ? round->low_id : 0, round->before_batch));
  int64_t left = 0;
  while (const queue::ReplayGroup* run = runs.Next()) {
    CheckTurn(round);
    const queue::ReplayGroup* ahead = runs.Ahead();
    const pg::Stopwatch took;
    queue::ReplayCounts counts = apply::Replay(round->target, *run, ahead, round->outcome_policy,
                                               round->patch_id, &round->pace);
    runs.reader().ReadAtOnce(TimesAtOnce(run->size(), took.Ms()));
    counts.stored_ids.clear();
    left += counts.waiting;
    round->counts.Add(counts);
    round->host->ShowTried(round->counts.stored + round->counts.dead + round->counts.waiting);
    pg::TestPoint("between_batches");
    round->host->ShowProgress("replayed " + std::to_string(round->counts.stored) + " rows of " +
                              round->target_name);
  }
  if (round->replay_all && left == 0 && !runs.reader().has_passed_over()) {
    round->emptied_behind = round->low_id;
    round->low_id = runs.reader().last_id();  // whoever looks for the first row need not walk past
                                              // those that were stored
  }
  round->again = round->again || round->counts.refold;
}

namespace {

// Walks past the rows that have left the queue, once and when nobody waits for it: that marks their
// index entries as dead, and the next to look at the queue finds none of them.
void SweepIndex(const RoundState& round) {
  if (round.emptied_behind && *round.emptied_behind < round.low_id) {
    pg::WorkTransaction transaction;
    queue::QueueScan(round.target, *round.emptied_behind).Next();
    transaction.Commit();
  }
}

// A table that somebody has locked holds no worker for longer than mend.lock_timeout, whatever step
// comes upon the lock.
class LockPatience {
 public:
  LockPatience() { Set(std::to_string(pg::lock_timeout_ms)); }
  ~LockPatience() { Set("0"); }
  LockPatience(const LockPatience&) = delete;
  LockPatience& operator=(const LockPatience&) = delete;

 private:
  // So that it outlives RESET ALL. A number that the setting of ours has can be set, and needs no
  // transaction.
  static void Set(const std::string& ms) {
    SetConfigOption("lock_timeout", ms.c_str(), PGC_SUSET, PGC_S_OVERRIDE);
  }
};

// The row that was judged when mend.batch_timeout passed is tried alone from now on, and is a dead
// letter in the end.
void PutOffJudged() {
  apply::DiscardSession();
  pg::WorkTransaction transaction;
  queue::ReplayCounts counts;
  for (const queue::QueuedRow& row : queue::LockRows({*apply::ActiveUnit::failed_row()})) {
    queue::PutOff(row, std::nullopt, &counts);
  }
  transaction.Commit();
}

// How long rescued values are moved before the table is looked at again.
constexpr int kPromoteForMs = 1000;

// Step 6. Rescued values go to their columns.
void PromoteRescued(RoundState* round) {
  pg::WorkTransaction transaction;
  const bool rescues = !table::FindTarget(round->target)->enrollment().rescue.empty();
  transaction.Commit();
  if (!rescues) {
    return;
  }
  apply::PromotionHost host;
  host.between_batches = [round] { CheckTurn(round); };
  round->slice = pg::Stopwatch();
  host.show = [round](const std::string& what) {
    round->host->ShowProgress(what + " of " + round->target_name);
  };
  apply::PromoteRescued(round->target, host, kPromoteForMs);
}

// No row is in flight any more: what a dead worker leaves behind would be held against its rows.
void Abandon(Oid target) {
  apply::DiscardSession();
  pg::WorkTransaction transaction;
  pg::RunPrepared(
      "UPDATE mend.progress SET in_flight = NULL WHERE target = $1 AND in_flight IS NOT NULL",
      {pg::ObjectId(target)});
  transaction.Commit();
}

}  // namespace

void RunRound(RoundHost* host, Oid target) {
  RoundState round;
  round.host = host;
  round.target = target;
  round.before_batch = [host, target] { host->CheckMustYield(target); };
  const LockPatience patience;
  const pg::Stopwatch took;
  round.pace = apply::PaceOf(target);
  round.pace.between_transactions = [&round] { CheckTurn(&round); };
  try {
    SharedTransaction shared;
    round.shared = &shared;
    if (!BeginRound(&round)) {
      return;
    }
    ApplyApproved(&round);
    host->ShowProgress("planning for " + round.target_name);
    PlanAndApply(&round);
    if (!round.ended) {
      ProfileUnrecorded(&round);
      ReplayWaiting(&round);
      EndRound(&round);
      SweepIndex(round);
    }
    apply::RememberPace(target, round.pace);
    PromoteRescued(&round);
    WidenColumns(&round);
    apply::DiscardSession();  // a lock, say, that a domain's CHECK took while rows were profiled
    apply::ForgetProofs(target);
    pg::TestPoint("ended");
    return;
  } catch (const MustYield&) {
    apply::RememberPace(target, round.pace);
  } catch (const pg::Error& error) {
    apply::ForgetProofs(target);
    // User code may have a lock_timeout of its own, and a shorter one.
    if (error.sqlerrcode() == ERRCODE_LOCK_NOT_AVAILABLE &&
        error.fields().function == "ProcessInterrupts" && took.Past(pg::lock_timeout_ms)) {
      throw pg::Error(ERRCODE_LOCK_NOT_AVAILABLE,
                      "a lock was not to be had within mend.lock_timeout (" +
                          std::to_string(pg::lock_timeout_ms) + " ms)");
    }
    if (!pg::Deadline::IsTimeout(error) || !apply::ActiveUnit::failed_row()) {
      throw;
    }
    PutOffJudged();
    throw pg::Error(ERRCODE_QUERY_CANCELED,
                    "a domain of the table took longer than mend.batch_timeout (" +
                        std::to_string(pg::batch_timeout_ms) +
                        " ms) while rows were profiled: the others wait");
  }
  Abandon(target);
}

}  // namespace mend::heal
