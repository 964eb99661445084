#include "server/apply/propose.h"

#include "core/base/json.h"
#include "core/plan/fingerprint.h"
#include "server/apply/drifts.h"
#include "server/apply/patches.h"
#include "server/apply/prove.h"
#include "server/guard/render.h"
#include "server/observe/events.h"

namespace mend::apply {
namespace {

void Complete(NewPatch* record, const table::Target& target, const plan::Patch& patch) {
  record->state = "proposed";
  record->reason = "waits for mend.approve()";
  record->ddl = guard::Render(target.shape(), patch.actions);
  record->inverse_ddl = guard::RenderInverse(target.shape(), patch.actions);
  record->field_map = patch.field_map;
  record->rewrites = RewritesTable(target.shape(), patch);
  const DriftStore book(target.shape().relid);
  const Proof proof = Prove(target, patch, Evidence::Queue);
  const Proof dead_letters = Prove(target, patch, Evidence::DeadLetters);
  record->evidence = EvidenceJson(patch, target, book.drifts(), proof, &dead_letters);
  record->fingerprint = plan::DriftFingerprint(target.shape(), book.drifts());
}

}  // namespace

int64_t Propose(Oid relid, const Proposal& proposal) {
  const std::shared_ptr<const table::Target> target = table::FindTarget(relid);
  NewPatch record;
  record.planner = proposal.planner;
  record.proposed_ddl = proposal.ddl;
  record.rationale = proposal.rationale;
  const base::Result<plan::Patch> patch = ReadPatch(*target, proposal.ddl, proposal.field_map);
  if (patch) {
    Complete(&record, *target, *patch);
  } else {
    record.state = "refused";
    record.reason = patch.error().message;
  }
  const int64_t id = InsertPatch(*target, record);
  if (!patch) {
    pg::Call([&] {
      ereport(WARNING,
              (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
               errmsg("patch " INT64_FORMAT " is refused: %s", id, record.reason.c_str())));
    });
  }
  observe::Record(patch ? "patch_proposed" : "patch_refused", target->enrollment().target_name, id,
                  "{\"planner\": \"" + record.planner + "\"}");
  return id;
}

}  // namespace mend::apply
