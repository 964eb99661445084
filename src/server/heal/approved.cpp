#include <algorithm>

#include "server/apply/proof_in_turns.h"
#include "server/apply/prove.h"
#include "server/apply/widen.h"
#include "server/heal/apply_step.h"
#include "server/pg/spi.h"

namespace mend::heal {
namespace {

// Dead letters that an approved patch makes fit were looked at by whoever approved it: back to the
// queue.
void Requeue(RoundState* round, const table::Target& target, const apply::PatchRecord& record) {
  std::vector<int64_t> ids;
  apply::Prove(target, record.patch, apply::Evidence::DeadLetters, &ids, round->before_batch);
  if (!ids.empty()) {
    pg::RunPrepared("SELECT mend.requeue($1)", {pg::Int8Array(ids)});
    round->low_id = std::min(round->low_id, *std::min_element(ids.begin(), ids.end()) - 1);
    pg::RunPrepared("UPDATE mend.progress SET low_id = $2 WHERE target = $1",
                    {pg::ObjectId(round->target), pg::Int8(round->low_id)});
  }
}

}  // namespace

void ApplyApproved(RoundState* round) {
  if (!round->patches_wait) {
    return;
  }
  std::vector<apply::PatchRecord> records;
  {
    round->shared->Join();
    records = apply::LoadPatches(*table::FindTarget(round->target), "approved");
    round->shared->CommitUnlessYoung();
  }
  for (apply::PatchRecord& record : records) {
    apply::Proof proof;
    drift::DriftSet covered;
    {
      round->shared->Join();
      std::shared_ptr<const table::Target> target = table::FindTarget(round->target);
      covered = CoveredBy(*round, *target, record.patch);
      if (record.online) {
        ApplyOnline(round, record, covered);
        continue;
      }
      if (record.rewrites) {
        if (const std::string why = apply::WhyOnlineOnly(*target, record.patch); !why.empty()) {
          PutBack(round, record, covered, why + ": it can be applied online");
          continue;
        }
      }
      // A proof reads the whole queue: not for every row that arrives in the meantime.
      if (WaitsForLock(round, record, covered)) {
        continue;
      }
      Requeue(round, *target, record);
      round->shared->CommitUnlessYoung();  // the proof may be called off, and go on later
      round->shared->Join();
      proof = apply::ProveInTurns(target, record.patch, [round] { CheckTableTurn(round); });
      round->shared->CommitUnlessYoung();
    }
    // Of several suggestions that a row needs, a person approves one after the other.
    const bool is_suggestion = record.planner == "rules" && record.decided;
    if (!proof.Helps() && !(is_suggestion && proof.Relieves())) {
      FailPatch(round, record, covered, "it proves nothing: no waiting row fits thanks to it");
      continue;
    }
    std::vector<bool> useless = proof.action_helps;
    for (size_t i = 0; is_suggestion && i < useless.size(); ++i) {
      useless[i] = useless[i] || proof.action_relieves[i];
    }
    useless.flip();
    if (std::optional<apply::PatchRecord> rest =
            TrimPatch(round, record, useless, &proof, &covered)) {
      ApplyRecord(round, std::move(*rest), proof, std::move(covered), false);
    } else {
      FailPatch(round, record, covered, "it proves nothing: no waiting row fits thanks to it");
    }
  }
}

}  // namespace mend::heal
