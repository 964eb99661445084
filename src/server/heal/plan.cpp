#include "server/claude/ask.h"
#include "server/heal/apply_step.h"
#include "server/heal/plan_step.h"
#include "server/heal/round_state.h"
#include "server/pg/http.h"
#include "server/pg/test_point.h"

namespace mend::heal {
namespace {

// A look takes a short transaction, and asking takes long.
constexpr int kBetweenLooksWhileAskingMs = 1000;

// One transaction of planning; true when the round has a patch to apply. Without it `question` may
// hold what must be asked first.
bool PlanOnce(RoundState* round, const claude::Access& access,
              const std::optional<claude::Answer>& answer,
              std::optional<claude::Question>* question, apply::PatchRecord* record,
              apply::Proof* proof, drift::DriftSet* covered) {
  round->shared->Join();
  PlanStep step(round);
  std::optional<Planned> planned = step.Run(access, answer, question);
  std::string why = planned ? step.WhyReview(*planned) : "";
  if (!planned || !why.empty()) {
    if (planned) {
      planned->record.reason = why;
      step.Propose(*planned);
    }
    round->shared->CommitUnlessYoung();
    return false;
  }
  pg::TestPoint("planned");
  planned->record.state = "approved";
  planned->record.online = record->online = step.GoesOnline(*planned);
  record->id = apply::InsertPatch(*table::FindTarget(round->target), planned->record);
  if (planned->answer) {
    claude::BookAnswer(*planned->answer, record->id);
  }
  record->planner = planned->record.planner;
  record->ddl = planned->record.ddl;
  record->patch = planned->patch;
  record->rewrites = planned->record.rewrites;
  *proof = planned->proof;
  *covered = planned->covered;
  round->shared->CommitUnlessYoung();
  return true;
}

// Heeds interrupts, and lets go of the table as any long work of a round does.
net::Pulse PulseOf(RoundState* round) {
  return [round] {
    pg::HeedInterrupts();
    round->host->CheckMustYield(round->target, kBetweenLooksWhileAskingMs);
    return true;
  };
}

}  // namespace

void PlanAndApply(RoundState* round) {
  apply::PatchRecord record;
  apply::Proof proof;
  drift::DriftSet covered;
  const claude::Access access = claude::LoadAccess();
  std::optional<claude::Question> question;
  std::optional<claude::Answer> answer;
  bool planned = PlanOnce(round, access, answer, &question, &record, &proof, &covered);
  if (question) {
    round->shared->Commit();
    answer = claude::Ask(*question, access, PulseOf(round));
    round->patches_wait = true;  // somebody may have proposed one meanwhile
    planned = PlanOnce(round, access, answer, &question, &record, &proof, &covered);
  }
  if (planned) {
    pg::TestPoint("recorded");
    if (record.online) {
      return ApplyOnline(round, record, covered);
    }
    const bool applied = ApplyRecord(round, std::move(record), proof, covered, true);
    round->again = round->again || (applied && round->again_if_applied);
  }
}

}  // namespace mend::heal
