#include <algorithm>

#include "core/base/utf8.h"
#include "core/limits/breaker.h"
#include "server/apply/alter.h"
#include "server/apply/in_flight.h"
#include "server/apply/proof_in_turns.h"
#include "server/apply/submitter.h"
#include "server/citus/node_errors.h"
#include "server/heal/apply_step.h"
#include "server/heal/sample_rows.h"
#include "server/observe/events.h"
#include "server/observe/outbox.h"
#include "server/pg/deadline.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"

namespace mend::heal {
namespace {

constexpr size_t kMaxMessageBytes = 10000;

// What agents may read of an error: what a table's code raises, and what PostgreSQL says of a
// value, may quote rows.
std::string WithoutValues(const pg::Error& error) {
  const bool may_quote =
      error.fields().context.has_value() || error.IsClass("22") || error.IsClass("P0");
  return may_quote ? "SQLSTATE " + error.sqlstate() +
                         ", raised by code of the table or about a value: the event patch_failed "
                         "has the message"
                   : std::string(error.what());
}

// The lock, or a node, was not to be had: the patch stays approved, and is tried again after a
// growing pause.
void BackOff(RoundState* round, const apply::PatchRecord& record, const drift::DriftSet& covered,
             const std::string& for_what, const std::string& why = "") {
  round->shared->Join();
  pg::Rows tries = pg::RunPrepared(
      "UPDATE mend.progress SET lock_tries = lock_tries + 1 WHERE target = $1 RETURNING lock_tries",
      {pg::ObjectId(round->target)});
  int64_t pause = limits::BackoffMs(static_cast<int>(tries.int8(0, 0)));
  round->lock_backs_off = true;
  pg::RunPrepared(
      "UPDATE mend.progress SET lock_until = clock_timestamp() + $2 * interval '1 millisecond' "
      "WHERE target = $1",
      {pg::ObjectId(round->target), pg::Int8(pause)});
  apply::SetPatchState(record.id, "approved", "waits for " + for_what);
  round->shared->CommitUnlessYoung();
  std::string reason = "patch " + std::to_string(record.id) + " waits for " + for_what +
                       ": tried " + std::to_string(tries.int8(0, 0)) + " times" + why;
  DecideAll(round, covered, queue::RowOutcome::Kind::Wait, reason, record.id);
  round->EscalateState("waiting", reason);
  round->PauseFor(pause);
}

// The lock was held too long: a person must decide.
void AskAfterTimeout(RoundState* round, const apply::PatchRecord& record,
                     const drift::DriftSet& covered) {
  PutBack(round, record, covered,
          (!plan::AltersTable(record.patch) ? "storing its first rows took longer"
                                            : "it held the lock longer") +
              std::string(" than mend.max_lock_hold (") + std::to_string(pg::max_lock_hold_ms) +
              " ms) and was rolled back: raise the limit and approve it again");
}

bool AnyWaits(Oid target) {
  return !pg::RunPrepared(
              "SELECT FROM mend.queue WHERE target >= $1 AND target <= $1 ORDER BY target, id "
              "LIMIT 1",
              {pg::ObjectId(target)})
              .empty();
}

// How often the lock is held for mend.max_lock_hold in one round.
constexpr int kMaxTooLong = 3;

// Applies, and turns what may be thrown into a decision; nullopt when the round goes on without it.
// Most patches heal all there is: with the `last` one the round then ends in the same transaction.
std::optional<apply::Application> TryApply(RoundState* round, const apply::PatchRecord& record,
                                           const apply::Proof& proof,
                                           const drift::DriftSet& covered, bool last) {
  std::optional<pg::Error> failure;
  int patience_ms = pg::lock_timeout_ms;
  std::vector<apply::SampleRow> slow;  // what took too long
  int too_long = 0;
  for (Samples samples(proof); samples.Next();) {
    bool altered = false, node_failed = false;
    const pg::Stopwatch took;
    round->shared->Join();
    apply::NoteInFlight(round->target, samples.ids());
    round->shared->CommitFlushed();
    RoundState after = *round;
    const auto before_commit = [&](const queue::ReplayCounts& counts) {
      TakeApplied(&after, record, covered, counts);
      after.ended = last && after.unrecorded == 0 && !AnyWaits(after.target);
      if (after.ended) {
        WriteEnd(&after);
      }
    };
    std::optional<apply::Application> application;
    try {
      application = apply::Apply(round->target, record, samples.current(), proof.shape,
                                 round->outcome_policy, before_commit, &patience_ms, &altered);
    } catch (const citus::NodeFailure& error) {
      failure = error;
      node_failed = true;
    } catch (const pg::Error& error) {
      failure = error;
    }
    apply::DiscardSession();
    if (application) {
      if (application->result == apply::Application::Result::Applied) {
        *round = std::move(after);
      }
      return application;
    }
    if (node_failed) {
      BackOff(round, record, covered, "a node of Citus", ": " + std::string(failure->what()));
      return std::nullopt;
    }
    if (failure->sqlerrcode() == ERRCODE_LOCK_NOT_AVAILABLE || failure->IsClass("40")) {
      BackOff(round, record, covered, "the lock on the table");
      return std::nullopt;
    }
    if (took.IsTimeout(*failure, pg::max_lock_hold_ms)) {
      // Where the ALTER itself was in time it is the rows, or one of them: few may do.
      slow = slow.empty() ? samples.current() : slow;
      if (altered && ++too_long < kMaxTooLong && slow.size() > 1) {
        samples.TryFewOf(slow, too_long == 1);
        continue;
      }
      AskAfterTimeout(round, record, covered);
      return std::nullopt;
    }
    if (failure->MustPropagate() || failure->IsClass("53") || failure->IsClass("57") ||
        failure->IsClass("58")) {
      throw *failure;
    }
    if (!altered) {
      break;
    }
    samples.Split();
  }
  // The context names the function that failed it: an event trigger's, say.
  const std::string context = failure->fields().context.value_or("");
  FailPatch(round, record, covered, WithoutValues(*failure), queue::RowOutcome::Kind::DeadLetter,
            std::string(base::CutUtf8(
                failure->what() +
                    (context.empty() ? "" : " (" + context.substr(0, context.find('\n')) + ")"),
                kMaxMessageBytes)));
  return std::nullopt;
}

}  // namespace

bool ApplyRecord(RoundState* round, apply::PatchRecord record, const apply::Proof& proof,
                 drift::DriftSet covered, bool last) {
  round->shared->Join();
  if (WaitsForLock(round, record, covered)) {
    return false;
  }
  observe::NoteRun(record.id);
  apply::ForgetProofs(round->target);
  std::optional<apply::Application> application = TryApply(round, record, proof, covered, last);
  if (!application) {
    return false;
  }
  switch (application->result) {
    case apply::Application::Result::ShapeChanged:
      round->again = true;
      DecideAll(round, covered, queue::RowOutcome::Kind::Wait,
                "the table changed while the patch was applied", record.id);
      return false;
    case apply::Application::Result::Unfit:
      FailPatch(round, record, covered, application->reason);
      return false;
    case apply::Application::Result::Refuted: break;
    case apply::Application::Result::Applied: return true;
  }
  apply::Proof rest_proof = proof;
  std::optional<apply::PatchRecord> rest =
      TrimPatch(round, record, application->refuted, &rest_proof, &covered);
  if (!rest) {
    const queue::ReplayCounts& counts = application->counts;
    FailPatch(
        round, record, covered,
        "no row could be stored with it: " +
            (counts.refusal.empty() ? "the table refuses them for another reason" : counts.refusal),
        counts.backing_off > 0 ? queue::RowOutcome::Kind::BackOff
                               : queue::RowOutcome::Kind::DeadLetter);
    return false;
  }
  return ApplyRecord(round, std::move(*rest), rest_proof, std::move(covered), last);
}

}  // namespace mend::heal
