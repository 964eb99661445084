#include "server/apply/propose.h"

#include "core/base/json_writer.h"
#include "core/plan/fingerprint.h"
#include "server/apply/drifts.h"
#include "server/apply/patches.h"
#include "server/apply/prove.h"
#include "server/guard/landing_table.h"
#include "server/guard/render.h"
#include "server/observe/events.h"
#include "server/pg/settings_limits.h"
#include "server/pg/spi.h"

namespace mend::apply {
namespace {

void Complete(NewPatch* record, const table::Target& target, const plan::Patch& patch) {
  record->state = "proposed";
  record->reason = "waits for mend.approve()";
  record->ddl = guard::Render(target.shape(), patch.actions);
  record->inverse_ddl = guard::RenderInverse(target.shape(), patch.actions);
  NoteLabels(patch, record);
  record->field_map = patch.field_map;
  record->rewrites = RewritesTable(target.shape(), patch);
  const DriftStore book(target.shape().relid);
  const Proof proof = Prove(target, patch, Evidence::Queue);
  const Proof dead_letters = Prove(target, patch, Evidence::DeadLetters);
  record->evidence = EvidenceJson(patch, target, book.drifts(), proof, &dead_letters);
  record->fingerprint = plan::DriftFingerprint(target.shape(), book.drifts());
}

constexpr int kMaxTextCharacters = 100000;
constexpr int kMaxRationaleCharacters = 10000;

void CheckLength(const char* what, const std::string& text, int most) {
  const int length =
      pg::Call([&] { return pg_mbstrlen_with_len(text.data(), static_cast<int>(text.size())); });
  if (length > most) {
    throw pg::Error(ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
                    std::string(what) + " of " + std::to_string(length) + " characters is too long",
                    std::to_string(most) + " characters are kept.");
  }
}

// What is refused is recorded and told, too: one role leaves so much an hour.
void CheckRate() {
  if (pg::proposals_per_hour == 0) {
    return;
  }
  const pg::Rows rows = pg::RunPrepared(
      "SELECT count(*) FROM mend.patches WHERE proposed_by = session_user AND created_at > "
      "clock_timestamp() - interval '1 h'");
  if (rows.int8(0, 0) >= pg::proposals_per_hour) {
    throw pg::Error(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                    "the role has proposed " + rows.text(0, 0) + " patches in the last hour",
                    "mend.proposals_per_hour is " + std::to_string(pg::proposals_per_hour) +
                        ": wait, or have an administrator raise it.");
  }
}

}  // namespace

int64_t Propose(Oid relid, const Proposal& proposal) {
  CheckLength("a DDL text", proposal.ddl, kMaxTextCharacters);
  CheckLength("a field map", proposal.field_map, kMaxTextCharacters);
  CheckLength("readings", proposal.readings, kMaxTextCharacters);
  CheckLength("a rationale", proposal.rationale, kMaxRationaleCharacters);
  CheckRate();
  const std::shared_ptr<const table::Target> target = table::FindTarget(relid);
  NewPatch record;
  record.planner = proposal.planner;
  record.proposed_ddl = proposal.ddl;
  record.rationale = proposal.rationale;
  const std::optional<std::vector<plan::Action>> readings = ReadingsFromJson(proposal.readings);
  base::Result<plan::Patch> patch =
      readings ? ReadPatch(*target, proposal.ddl, proposal.field_map, *readings)
               : base::Error{"22023", "readings is not an array of {field, column, reading}", ""};
  if (patch && !guard::IsAdmin() && HidesLabels(relid, *patch)) {
    patch = base::Error{"42501", kOnlyShared, ""};
  }
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
                  json::Writer().Object().String("planner", record.planner).Close().Take());
  return id;
}

}  // namespace mend::apply
