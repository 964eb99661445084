#include "core/plan/claude/conversation.h"

#include <iterator>

#include "core/base/json_member.h"
#include "core/base/utf8.h"
#include "core/plan/claude/exchange.h"
#include "core/tools/registry.h"

namespace mend::plan::claude {
namespace {

constexpr size_t kMaxVerdictBytes = 2000;
constexpr size_t kMaxUnreadableBytes = 2000;

// In the order of End.
constexpr std::string_view kEnds[] = {
    "accepted",    "gave_up",      "refused",     "model_refusal", "nonsense",
    "key_refused", "rate_limited", "spend_limit", "overloaded",    "network",
    "bad_request", "held",         "cancelled",   "moot",
};
static_assert(std::size(kEnds) == static_cast<size_t>(End::Moot) + 1);

std::string Times(int count) { return count == 1 ? "once" : std::to_string(count) + " times"; }

// Talking with one model until it ends.
class Talk {
 public:
  Talk(const Settings& settings, const World& world, const Prompt& prompt, Ask ask, int turns)
      : settings_(settings),
        world_(world),
        prompt_(prompt),
        ask_(std::move(ask)),
        turns_left_(turns),
        max_tokens_(settings.max_tokens) {
    result_.model = ask_.model;
    turns_.AddUserText(prompt.user);
  }

  Result Run() {
    for (; turns_left_ > 0 && !ended_; --turns_left_) {
      auto answer = Exchange(settings_, world_, ask_.model,
                             RequestBody(WireOf(settings_.endpoint), ask_, turns_, max_tokens_));
      if (NoAnswer* none = std::get_if<NoAnswer>(&answer)) {
        result_.retry_at_ms = none->retry_at_ms;
        Finish(none->end, std::move(none->reason));
      } else {
        Take(std::get<Reply>(answer));
      }
    }
    if (!ended_) FinishUnanswered();
    return std::move(result_);
  }

 private:
  void Take(const Reply& reply) {
    switch (reply.kind) {
      case ReplyKind::ToolCalls: return TakeCalls(reply);
      case ReplyKind::Text:
        turns_.AddAssistant(reply.content);
        return Nudge("it answered with words instead of calling a tool");
      case ReplyKind::Empty: return Nudge("it answered with nothing");
      case ReplyKind::Refusal:
        return Finish(
            End::ModelRefusal,
            ask_.model + " declined to answer" +
                (reply.refusal_category.empty() ? "" : " (" + reply.refusal_category + ")"));
      case ReplyKind::Truncated:
        // The same question again, with more room: an answer that was cut is never used.
        last_ = "its answer was cut at " + std::to_string(max_tokens_) + " tokens";
        if (max_tokens_ >= settings_.more_tokens)
          return Finish(End::Nonsense, ask_.model + ": " + last_);
        max_tokens_ = settings_.more_tokens;
        return;
      case ReplyKind::TooLong:
        return Finish(End::Nonsense, "the case is too long for " + ask_.model);
      case ReplyKind::Unknown: last_ = "its answer cannot be read"; return;
    }
  }

  void TakeCalls(const Reply& reply) {
    std::vector<Turns::ToolResult> results;
    if (reply.calls.size() > 1) {
      last_ = "it called several tools at once";
      for (const ToolCall& call : reply.calls) {
        results.push_back({call.id, "Not run: call exactly one tool at a time.", true});
      }
    } else {
      std::string why = TakeCall(reply.calls[0]);
      if (ended_) return;
      results.push_back({reply.calls[0].id, std::move(why), true});
    }
    turns_.AddAssistant(reply.content);
    turns_.AddToolResults(results);
  }

  // What the model is told, unless this ended the talk.
  std::string TakeCall(const ToolCall& call) {
    json::Document document;
    const bool readable = !document.Parse(call.input);
    if (readable && call.name == tools::kGiveUp) {
      auto reason = tools::ReadGiveUpInput(document.root());
      if (!reason) return Misused(reason.error().message);
      Finish(End::GaveUp, ask_.model + " gave up: " + *reason);
      return {};
    }
    if (readable && call.name == tools::kProposePatch) {
      auto patch = tools::ReadPatchInput(document.root());
      if (!patch) return Unreadable(document.root(), patch.error().message);
      return TakePatch(std::move(*patch));
    }
    return Misused("there is no such tool");
  }

  std::string TakePatch(tools::PatchInput patch) {
    for (auto& [field, column] : patch.field_map) field = prompt_.FieldOf(field);
    for (tools::ReadingInput& one : patch.readings) one.field = prompt_.FieldOf(one.field);
    Verdict verdict = world_.judge(ask_.model, patch);
    if (verdict.moot) {
      Finish(End::Moot, {});
      return {};
    }
    if (verdict.accepted) {
      result_.patch = std::move(patch);
      Finish(End::Accepted, {});
      return {};
    }
    std::string told = "Refused: " + std::string(base::CutUtf8(verdict.reason, kMaxVerdictBytes));
    result_.refused.push_back({ask_.model, std::move(patch), std::move(verdict.reason)});
    return told;
  }

  std::string Unreadable(json::Value input, const std::string& why) {
    if (world_.unreadable) {
      const auto ddl = json::StringMember(input, "ddl").value_or("");
      world_.unreadable(ask_.model, std::string(base::CutUtf8(ddl, kMaxUnreadableBytes)), why);
    }
    return Misused(why);
  }

  std::string Misused(const std::string& why) {
    last_ = "it misused a tool: " + why;
    return "Not run: " + why + ".";
  }

  void Nudge(std::string why) {
    last_ = std::move(why);
    turns_.AddUserText("Call propose_patch or give_up now, and write nothing else.");
  }

  // No turns are left.
  void FinishUnanswered() {
    if (result_.refused.empty()) {
      return Finish(End::Nonsense, ask_.model + " gave no usable answer: " + last_);
    }
    const int count = static_cast<int>(result_.refused.size());
    Finish(End::Refused, "the patch of " + ask_.model + " was refused " + Times(count) + ": " +
                             result_.refused.back().reason);
  }

  void Finish(End end, std::string reason) {
    ended_ = true;
    result_.end = end;
    result_.reason = std::move(reason);
  }

  const Settings& settings_;
  const World& world_;
  const Prompt& prompt_;
  const Ask ask_;
  int turns_left_;
  int64_t max_tokens_;
  Turns turns_;
  std::string last_ = "it was not asked";
  Result result_;
  bool ended_ = false;
};

Ask FirstAsk(const Settings& settings, const Prompt& prompt) {
  return {settings.model, prompt.system, settings.effort, settings.cache};
}

bool WantsAnother(End end) {
  return end == End::Refused || end == End::Nonsense || end == End::ModelRefusal;
}

}  // namespace

std::string_view Name(End end) { return kEnds[static_cast<size_t>(end)]; }

bool RowsWait(End end) { return end >= End::KeyRefused; }

Result Converse(const Settings& settings, const Case& input, const World& world) {
  const Prompt prompt = MakePrompt(input);
  Result first =
      Talk(settings, world, prompt, FirstAsk(settings, prompt), settings.max_turns).Run();
  const std::string& other = settings.escalation_model;
  if (!WantsAnother(first.end) || other.empty() || other == settings.model) return first;

  // The other model starts anew: thinking is bound to the model that thought.
  Case again = input;
  for (const Attempt& attempt : first.refused) {
    Refused& refused = again.history.emplace_back();
    refused.ddl = attempt.patch.ddl;
    refused.reason = attempt.reason;
    for (const auto& [field, column] : attempt.patch.field_map) {
      refused.field_map.push_back({field, column});
    }
  }
  const Prompt second_prompt = MakePrompt(again);
  Result second = Talk(settings, world, second_prompt,
                       {other, second_prompt.system, settings.escalation_effort, false},
                       settings.escalation_turns)
                      .Run();
  second.refused.insert(second.refused.begin(), std::make_move_iterator(first.refused.begin()),
                        std::make_move_iterator(first.refused.end()));
  if (second.end != End::Accepted) second.reason = first.reason + "; then " + second.reason;
  return second;
}

std::string FirstRequest(const Settings& settings, const Case& input) {
  const Prompt prompt = MakePrompt(input);
  Turns turns;
  turns.AddUserText(prompt.user);
  return RequestBody(WireOf(settings.endpoint), FirstAsk(settings, prompt), turns,
                     settings.max_tokens);
}

}  // namespace mend::plan::claude
