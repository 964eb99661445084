#include "server/apply/proof_in_turns.h"

#include <algorithm>
#include <list>
#include <optional>

#include "server/apply/speculative_proof.h"
#include "server/pg/deadline.h"
#include "server/pg/memory.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"

namespace mend::apply {
namespace {

constexpr size_t kMostKept = 16;
constexpr int kAtOnceMs = 1000;

struct Begun {
  Begun(std::shared_ptr<const table::Target> target, const plan::Patch& patch, int64_t finished)
      : relid(target->shape().relid), rounds(finished), proof(std::move(target), patch) {}

  Oid relid;
  int64_t rounds;  // of the table, that had come to their end when it was begun
  SpeculativeProof proof;
  int64_t last_id = 0;
  pg::Stopwatch took;
  std::optional<Proof> result;  // of one that took long: the rest of the round may be called off
};

std::list<Begun>& Kept() {
  static auto& kept = *new std::list<Begun>();
  return kept;
}

// What other rounds have finished may have changed what waits.
int64_t FinishedRounds(Oid relid) {
  const pg::Rows rows =
      pg::RunPrepared("SELECT done FROM mend.progress WHERE target = $1", {pg::ObjectId(relid)});
  return rows.empty() ? 0 : rows.int8(0, 0);
}

Begun* FindOrBegin(const std::shared_ptr<const table::Target>& target, const plan::Patch& patch) {
  std::list<Begun>& kept = Kept();
  const Oid relid = target->shape().relid;
  const int64_t rounds = FinishedRounds(relid);
  kept.remove_if([&](const Begun& one) {
    return one.relid == relid && (one.rounds != rounds || !one.proof.IsFor(target));
  });
  const auto found = std::find_if(kept.begin(), kept.end(),
                                  [&](const Begun& one) { return one.proof.IsOf(*target, patch); });
  if (found != kept.end()) {
    kept.splice(kept.begin(), kept, found);
    return &kept.front();
  }
  if (kept.size() >= kMostKept) {
    kept.pop_back();
  }
  return &kept.emplace_front(target, patch, rounds);
}

void JudgeRest(Begun* begun, const std::function<void()>& between) {
  queue::QueueReader reader(begun->relid, queue::Window(), begun->last_id);
  pg::Context scratch("pg_mend proof");
  for (queue::QueueBatch batch;;) {
    begun->proof.LeaveIdentity();
    scratch.Reset();
    between();
    const pg::Deadline deadline(pg::batch_timeout_ms);  // domains bring user code
    pg::Switch into(scratch.get());
    pg::Stopwatch took;
    if (!reader.Next(&batch)) {
      return;
    }
    for (const queue::QueuedRow& row : batch.rows) {
      pg::CheckInterrupts();
      if (took.Past(std::min(kAtOnceMs, pg::batch_timeout_ms / 4))) {
        begun->proof.LeaveIdentity();
        between();
        pg::Deadline::Restart();
        took = pg::Stopwatch();
      }
      begun->proof.Add(row);
      begun->last_id = row.id;
    }
  }
}

}  // namespace

Proof ProveInTurns(const std::shared_ptr<const table::Target>& target, const plan::Patch& patch,
                   const std::function<void()>& between) {
  Begun* begun = FindOrBegin(target, patch);
  if (begun->result) {
    return *begun->result;
  }
  try {
    JudgeRest(begun, between);
    const pg::Deadline deadline(pg::batch_timeout_ms);
    Proof proof = *begun->proof.Of(*target, patch);
    if (begun->took.Past(kAtOnceMs)) {
      begun->result = proof;
    } else {
      Kept().pop_front();
    }
    return proof;
  } catch (const pg::Error&) {
    ForgetProofs(target->shape().relid);
    throw;
  }
}

void ForgetProofs(Oid target) {
  Kept().remove_if([&](const Begun& one) { return one.relid == target; });
}

}  // namespace mend::apply
