#include "server/apply/dry_run.h"

#include <optional>
#include <vector>

#include "server/apply/alter.h"
#include "server/apply/patches.h"
#include "server/apply/prove.h"
#include "server/apply/store_waiting.h"
#include "server/citus/managed_table.h"
#include "server/guard/landing_table.h"
#include "server/guard/render.h"
#include "server/pg/settings.h"
#include "server/pg/user.h"

namespace mend::apply {
namespace {

// Why the table or its rows refuse the patch; "" when they do not. User code runs as the submitter
// in a security-restricted operation: it must leave nothing in an administrator's session.
std::string AlterAndStore(const table::Target& target, const plan::Patch& patch,
                          const Proof& proof) {
  const Oid relid = target.shape().relid;
  pg::AsExtensionOwner as_owner;
  if (plan::AddsLabels(patch.actions)) {
    return AddLabels(target, patch).value_or("");  // used once they are committed
  }
  const std::string ddl = guard::RenderForServer(target.shape(), patch.actions);
  LockForAlter(relid, pg::lock_timeout_ms);
  if (std::optional<std::string> unfit = AlterUnderLock(target, ddl)) {
    return *unfit;
  }
  if (citus::Manages(relid)) {
    return "";  // there rows can be stored once it is committed
  }
  const std::vector<queue::QueuedRow> rows =
      LockSample(proof.sample, relid, target.enrollment().target_name);
  if (rows.empty()) {
    return "";
  }
  const pg::ForeignCode as_submitter(rows.front().identity(), pg::ForeignCode::Until::Scope);
  const queue::ReplayCounts counts =
      ReplayHere(*table::FindTarget(relid), rows, queue::OutcomePolicy(), std::nullopt);
  return counts.stored > 0 ? "" : "the table refuses every row that was tried, for another reason";
}

DryRunResult TryPatch(const table::Target& target, const plan::Patch& patch, bool live) {
  DryRunResult result;
  result.rewrites = RewritesTable(target.shape(), patch);
  const Proof queue = Prove(target, patch, Evidence::Queue);
  const Proof dead = Prove(target, patch, Evidence::DeadLetters);
  result.tried = queue.tried + dead.tried;
  result.healed = queue.healed + dead.healed;
  if (result.healed == 0) {
    result.reason = result.tried == 0 ? "no waiting payload could show whether it helps"
                                      : "no waiting payload fits thanks to it";
  } else if (live && plan::AltersTable(patch)) {
    const std::optional<pg::Error> error =
        pg::AttemptAndRollBack([&] { result.reason = AlterAndStore(target, patch, queue); });
    if (error) {
      result.reason = error->what();
    }
  }
  result.ok = result.reason.empty();
  return result;
}

}  // namespace

DryRunResult DryRun(Oid relid, const std::string& ddl, const std::string& field_map, bool live,
                    bool suggested) {
  const std::shared_ptr<const table::Target> target = table::FindTarget(relid);
  base::Result<plan::Patch> patch = ReadPatch(
      *target, suggested ? plan::AllActions() : target->enrollment().allow, ddl, field_map, {});
  if (patch && !suggested && !guard::IsAdmin() && HidesLabels(relid, *patch)) {
    patch = base::Error{"42501", kOnlyShared, ""};
  }
  if (patch) {
    return TryPatch(*target, *patch, live);
  }
  DryRunResult result;
  result.reason = patch.error().message;
  return result;
}

}  // namespace mend::apply
