// What one heal round knows, passed from step to step.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/apply/drifts.h"
#include "server/apply/patches.h"
#include "server/apply/replay.h"
#include "server/heal/round_host.h"
#include "server/heal/shared_transaction.h"
#include "server/pg/deadline.h"
#include "server/table/target.h"

namespace mend::apply {
class SpeculativeProof;
}  // namespace mend::apply

namespace mend::heal {

// How a drift ends this round.
struct DriftEnd {
  int64_t drift;  // its id
  drift::Class values;
  const char* state;  // of mend.drifts
  std::string reason;
  std::optional<int64_t> patch_id;
};

struct RoundState {
  RoundHost* host = nullptr;
  SharedTransaction* shared = nullptr;
  queue::BeforeBatch before_batch;  // of what is read of the queue: CheckMustYield()
  Oid target = InvalidOid;
  std::string target_name;
  int64_t requested = 0;
  queue::Window window;  // the rows that are new to this round
  // Of these, what earlier rounds have profiled before their turn was over: what a snapshot sees,
  // up to and including one row.
  struct Profiled {
    std::string upto;
    uint64_t xid = 0;
    int64_t id = 0;
  };
  std::optional<Profiled> profiled;
  bool replay_all = false;
  bool again = false;             // another round is wanted at once
  bool again_if_applied = false;  // so, if the patch that is planned now is applied
  int64_t low_id = 0;
  std::optional<int64_t>
      emptied_behind;  // all rows behind this id were replayed: their entries still fill the index
  int64_t folded = 0;  // rows that were new to this round
  // What waited when the round began: a heal that nothing stands in the way of looks for it once.
  bool patches_wait = false;  // approved, proposed or failed ones
  bool altered = false;       // by somebody else, since the last round
  bool breaker_open = false;
  bool lock_backs_off = false;
  int64_t unrecorded =
      0;  // misfits for which mend.drifts had no room, since the table was last profiled as a whole
  std::shared_ptr<apply::SpeculativeProof>
      speculative_proof;  // of what the first rows of a long queue call for; it has seen all that
                          // wait
  queue::OutcomePolicy outcome_policy;
  std::vector<DriftEnd> drift_ends;
  std::optional<int64_t> patch_id;  // the last patch that was applied in this round
  std::string state = "idle";       // of mend.progress, with its reason
  std::string reason;
  std::optional<int64_t> pause_ms;  // when the table is due again by itself
  queue::ReplayCounts counts;
  apply::Pace pace;
  pg::Stopwatch slice;  // profile and proof have one together, each later step has its own
  bool ended = false;   // with the patch: no row waits any more

  // Whether the drift was decided in this round already.
  bool Decided(const drift::Drift& drift) const;
  // Decides a drift: what becomes of its rows, and its own state at the end of the round.
  void Decide(const drift::Drift& drift, queue::RowOutcome::Kind to, const std::string& reason,
              std::optional<int64_t> patch = std::nullopt);
  // Takes the last decision on a drift back.
  void Reopen(const drift::Drift& drift);
  void Healed(const drift::Drift& drift, int64_t patch);
  // Due again in `ms` at the latest.
  void PauseFor(int64_t ms);
  // The more telling state wins: breaker over review over waiting over idle.
  void EscalateState(const char* new_state, const std::string& new_reason);
};

// Where a step can be called off, and gone on with in a later round: throws MustYield when the
// worker must yield, when the database has had its turn and another one waits for a worker, or when
// the table has had its time slice and another one is due. What of the step is not stored by then
// is lost.
void CheckTurn(RoundState* round);
// The same for a step that this process goes on with: a turn of the database does not end it.
void CheckTableTurn(RoundState* round);

// Step 1. Reads the table's terms and folds new rows into its drift. False: the round ends here.
bool BeginRound(RoundState* round);
// Step 2. Patches that were approved, or that a crash interrupted, are applied.
void ApplyApproved(RoundState* round);
// Step 3. What is left of the drift is planned, and applied or put before a person.
void PlanAndApply(RoundState* round);
// Of drift that is to be planned, what the table's breaker lets through: all while it is closed,
// nothing while it is open, and a few fields as a probe when its time has come. The rest is
// decided: it waits, or is for a person.
drift::DriftSet Admitted(RoundState* round, const plan::Shape& shape, drift::DriftSet drifts);
// What becomes of rows with new fields for which mend.drifts had no room: they wait, or are
// profiled anew when there is.
void ProfileUnrecorded(RoundState* round);
// Step 4. Waiting rows are put into the table.
void ReplayWaiting(RoundState* round);
// Step 5. The state of drift and of the table is recorded.
void EndRound(RoundState* round);
// Step 7. A column that is widened online: goes on with it for a while.
void WidenColumns(RoundState* round);
// Step 5 in the open transaction.
void WriteEnd(RoundState* round);

// Applies one recorded patch and decides the undecided drift that it covers; true when it was
// applied. Redoes it without the actions that the rows refute. When the `last` one is applied and
// no row waits any more, the round ends with it, in the same transaction.
bool ApplyRecord(RoundState* round, apply::PatchRecord record, const apply::Proof& proof,
                 drift::DriftSet covered, bool last);

}  // namespace mend::heal
