#include "server/claude/ask.h"

#include <algorithm>

#include "core/base/json.h"
#include "core/base/json_writer.h"
#include "core/net/clock.h"
#include "core/plan/claude/price.h"
#include "server/claude/calls.h"
#include "server/claude/credentials.h"
#include "server/claude/holds.h"
#include "server/claude/judge.h"
#include "server/claude/plans.h"
#include "server/claude/prompts.h"
#include "server/guard/render.h"
#include "server/observe/events.h"
#include "server/pg/catalog.h"
#include "server/pg/http.h"
#include "server/pg/settings.h"
#include "server/pg/settings_claude.h"
#include "server/pg/spi.h"
#include "server/pg/work_transaction.h"

namespace mend::claude {
namespace {

using plan::claude::Call;
using plan::claude::End;
using plan::claude::Result;
using plan::claude::Usage;
using plan::claude::Verdict;

Answer AnswerOf(Answer::Kind to, const Question& question, std::string reason = {}) {
  Answer answer;
  answer.kind = to;
  answer.reason = std::move(reason);
  answer.fingerprint = question.fingerprint;
  answer.drift = question.drift;
  return answer;
}

Answer WaitFor(const Hold& hold, const Question& question) {
  Answer answer = AnswerOf(Answer::Kind::Wait, question, hold.reason);
  answer.breaker = hold.breaker;
  answer.pause_ms = hold.ms;
  return answer;
}

// A text of a stranger's that a column can hold.
std::string Storable(std::string text) {
  std::replace(text.begin(), text.end(), '\0', ' ');
  const bool valid = pg::Call([&] {
    return pg_verify_mbstr(GetDatabaseEncoding(), text.data(), static_cast<int>(text.size()), true);
  });
  if (!valid) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; },
        '?');
  }
  return text;
}

std::vector<plan::FieldMapping> StorableMap(const tools::PatchInput& patch) {
  std::vector<plan::FieldMapping> field_map;
  for (const auto& [field, column] : patch.field_map) {
    if (Storable(field) == field && (!column || Storable(*column) == *column)) {
      field_map.push_back({field, column});
    }
  }
  return field_map;
}

void Show(const std::string& what) {
  pg::Call([&] { pgstat_report_activity(STATE_RUNNING, what.c_str()); });
}

// One conversation about one table, and its books.
class Conversation {
 public:
  Conversation(Question question, const Access& access, const net::Pulse& pulse)
      : question_(std::move(question)), access_(access), pulse_(pulse) {}

  Answer Run() {
    Prepare();
    result_ =
        plan::claude::Converse(SettingsFor(access_.endpoint), question_.AsCase(), MakeWorld());
    if (result_.end == End::Moot) {
      return Drop();
    }
    Show("pg_mend: healing " + question_.target_name);
    Answer answer = Finish();
    Wake();
    return answer;
  }

 private:
  void Prepare() {
    Show("pg_mend: asking " + std::string(pg::model) + " about " + question_.target_name);
    pg::WorkTransaction transaction;
    ReadEvidence(&question_, apply::Evidence::Queue);
    transaction.Commit();
  }

  plan::claude::World MakeWorld() {
    plan::claude::World world;
    world.transport = &pg::HttpTransport();
    world.clock = &clock_;
    world.pulse = pulse_;
    world.gate = [this](const std::string& model) { return Gate(model); };
    world.record = [this](const Call& call) { Record(call); };
    world.credential = [this](bool refused) {
      return TakeCredential(access_.endpoint.provider, refused, pulse_);
    };
    world.sending = [this](const std::string& model, const std::string& body) {
      pg::WorkTransaction transaction;
      KeepPrompt(call_, {question_.target, question_.target_name, question_.share}, model,
                 access_.endpoint, body);
      transaction.CommitFlushed();
    };
    world.judge = [this](const std::string& model, const tools::PatchInput& patch) {
      return Weigh(model, patch);
    };
    world.unreadable = [this](const std::string& model, const std::string& ddl,
                              const std::string& reason) {
      tools::PatchInput patch;
      patch.ddl = ddl;
      pg::WorkTransaction transaction;
      BookRefusal(model, patch, reason);
      transaction.Commit();
    };
    return world;
  }

  // Books the call before it is made: one that takes the worker down with it counts too.
  std::string Gate(const std::string& model) {
    pg::WorkTransaction transaction;
    std::string why;
    if (std::optional<Shortage> shortage = FindShortage(question_.target_name, model)) {
      hold_ = OpenBreaker(question_.target, question_.target_name, access_.config, *shortage);
    } else {
      hold_ = FindHold(question_.target, access_.config);
    }
    if (hold_) {
      why = hold_->reason;
    } else {
      call_ = BookCall(question_.target_name, model);
    }
    transaction.Commit();
    return why;
  }

  void Record(const Call& call) {
    pg::WorkTransaction transaction;
    cost_ += BookOutcome(call_, call);
    transaction.Commit();
    calls_.push_back(call_);
    usage_ += call.usage;
  }

  Verdict Weigh(const std::string& model, const tools::PatchInput& proposal) {
    pg::WorkTransaction transaction;
    Judgement judgement = Judge(question_, proposal, [this] { pulse_(); });
    if (judgement.moot) {
      return {false, {}, true};
    }
    if (judgement.accepted) {
      accepted_ = std::move(judgement.patch);
    } else {
      BookRefusal(model, proposal, judgement.reason);
    }
    transaction.Commit();
    return {judgement.accepted, judgement.reason};
  }

  // In mend.patches, with what was spent since the last proposal.
  void BookRefusal(const std::string& model, const tools::PatchInput& proposal,
                   const std::string& reason) {
    apply::NewPatch record;
    record.planner = "claude";
    record.state = "refused";
    record.proposed_ddl = Storable(proposal.ddl);
    record.field_map = StorableMap(proposal);
    record.rationale = Storable(proposal.rationale);
    record.reason = Storable(reason);
    record.fingerprint = question_.fingerprint;
    record.proposed_by = observe::kWorker;
    Answer spent;
    TakeSpent(&spent);
    spent.model = model;
    Credit(spent, &record);
    const std::shared_ptr<const table::Target> target = table::FindTarget(question_.target);
    const int64_t id = apply::InsertPatch(*target, record);
    BookPatch(spent.calls, id);
    json::Writer detail;
    detail.Object().String("planner", "claude").String("model", model);
    detail.String("reason", record.reason);
    observe::Record("patch_refused", question_.target_name, id, detail.Close().Take(),
                    observe::kWorker);
  }

  void TakeSpent(Answer* answer) {
    answer->calls = std::move(calls_);
    answer->input_tokens = usage_.Prompt();
    answer->output_tokens = usage_.output_tokens;
    answer->cost = cost_;
    calls_.clear();
    usage_ = Usage();
    cost_ = 0;
  }

  Answer Finish() {
    pg::WorkTransaction transaction;
    Answer answer = AnswerOfTalk();
    transaction.Commit();
    return answer;
  }

  Answer AnswerOfTalk() {
    if (plan::claude::RowsWait(result_.end)) {
      Release(question_.fingerprint);
      if (result_.end == End::Held && hold_) {
        return WaitFor(*hold_, question_);
      }
      return WaitFor(
          HoldOff(question_.target, question_.target_name, access_.config, result_, clock_.NowMs()),
          question_);
    }
    EndHolds(question_.target, question_.target_name, true);
    if (result_.end == End::Accepted) {
      return AnswerOfAccepted();
    }
    result_.reason = Storable(std::move(result_.reason));
    if (!calls_.empty()) {
      BookRefusal(result_.model, {}, result_.reason);
    }
    RememberRefusal(question_.fingerprint, result_);
    return AnswerOf(Answer::Kind::DeadLetter, question_, result_.reason);
  }

  Answer AnswerOfAccepted() {
    Answer answer = AnswerOf(Answer::Kind::Patch, question_);
    answer.patch = result_.patch;
    answer.model = result_.model;
    TakeSpent(&answer);
    RememberPatch(question_.fingerprint, result_, guard::Render(question_.shape, accepted_.actions),
                  pg::QualifiedName(question_.target), apply::FieldMapToJson(accepted_.field_map));
    return answer;
  }

  Answer Drop() {
    {
      pg::WorkTransaction transaction;
      Release(question_.fingerprint);
      transaction.Commit();
    }
    Wake();
    return AnswerOf(Answer::Kind::Again, question_);
  }

  void Wake() {
    pg::WorkTransaction transaction;
    WakeWaiting(question_.fingerprint);
    transaction.Commit();
  }

  Question question_;
  const Access& access_;
  const net::Pulse& pulse_;
  net::SystemClock clock_;
  Result result_;
  plan::Patch accepted_;
  std::optional<Hold> hold_;
  int64_t call_ = 0;
  // Since the last proposal.
  std::vector<int64_t> calls_;
  Usage usage_;
  int64_t cost_ = 0;
};

// A remembered patch, if it is good for this table too.
std::optional<Answer> Reuse(Question* question, const Remembered& remembered) {
  const Judgement judgement = Judge(*question, remembered.patch);
  if (judgement.moot) {
    return AnswerOf(Answer::Kind::Again, *question);
  }
  if (!judgement.accepted) {
    question->anew = true;
    return std::nullopt;
  }
  Answer answer = AnswerOf(Answer::Kind::Patch, *question);
  answer.patch = remembered.patch;
  answer.model = remembered.model;
  return answer;
}

}  // namespace

bool Answer::Concerns(const drift::Drift& one) const {
  return std::any_of(drift.begin(), drift.end(), [&](const drift::Drift& asked) {
    return drift::ClassOf(asked) == drift::ClassOf(one);
  });
}

std::optional<Answer> Consider(Question* question, const Access& access) {
  ReadShare(question);
  question->fingerprint = Fingerprint(*question);
  if (const std::optional<Remembered> remembered =
          Recall(question->fingerprint, pg::QualifiedName(question->target))) {
    if (!remembered->accepted) {
      return AnswerOf(Answer::Kind::DeadLetter, *question,
                      remembered->reason + " (asked before about the same drift)");
    }
    if (std::optional<Answer> answer = Reuse(question, *remembered)) {
      return answer;
    }
  }
  if (access.state == Access::State::Unusable) {
    return WaitFor(HoldForKeyFile(access.config, access.fault), *question);
  }
  if (const std::optional<Shortage> shortage = FindShortage(question->target_name, pg::model)) {
    return WaitFor(OpenBreaker(question->target, question->target_name, access.config, *shortage),
                   *question);
  }
  EndHolds(question->target, question->target_name, false);
  if (const std::optional<Hold> hold = FindHold(question->target, access.config)) {
    return WaitFor(*hold, *question);
  }
  return std::nullopt;
}

Answer Ask(Question question, const Access& access, const net::Pulse& pulse) {
  Claimed claimed;
  {
    pg::WorkTransaction transaction;
    claimed = Claim(question.fingerprint, question.target, question.anew);
    transaction.Commit();
  }
  if (claimed.kind == Claimed::Kind::Known) {
    return AnswerOf(Answer::Kind::Again, question);
  }
  if (claimed.kind == Claimed::Kind::Waits) {
    Answer answer = AnswerOf(Answer::Kind::Wait, question,
                             claimed.waits_for == question.fingerprint
                                 ? "Claude is being asked about the same drift of another table"
                                 : "Claude is being asked about other tables; one worker stays "
                                   "free for what needs no model");
    answer.busy = true;
    answer.pause_ms = kLookAgainMs;
    return answer;
  }
  return Conversation(std::move(question), access, pulse).Run();
}

void Credit(const Answer& answer, apply::NewPatch* record) {
  record->model = answer.model;
  record->input_tokens = answer.input_tokens;
  record->output_tokens = answer.output_tokens;
  record->cost_usd = plan::claude::Dollars(answer.cost);
}

void BookAnswer(const Answer& answer, int64_t patch_id) {
  BookPatch(answer.calls, patch_id);
  if (!answer.calls.empty()) {
    pg::RunPrepared("UPDATE mend.plans SET patch_id = $2 WHERE fingerprint = $1",
                    {pg::Text(answer.fingerprint), pg::Int8(patch_id)});
  }
}

}  // namespace mend::claude
