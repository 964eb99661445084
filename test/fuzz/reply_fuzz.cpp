// Whatever an API answers is read without a crash, and what is echoed of it is JSON.
#include <cstdint>
#include <cstdlib>

#include "core/base/json.h"
#include "core/plan/claude/messages.h"
#include "core/tools/input.h"

using namespace mend;

static void Check(bool holds) {
  if (!holds) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  plan::claude::ParseError({500, {}, std::string(text)});
  const auto reply = plan::claude::ParseReply(text);
  if (!reply) return 0;
  Check(reply->usage.Prompt() >= 0 && reply->usage.output_tokens >= 0);
  Check((reply->kind != plan::claude::ReplyKind::ToolCalls) || !reply->calls.empty());
  plan::claude::Turns turns;
  turns.AddAssistant(reply->content);
  json::Document echoed;
  Check(!echoed.Parse(turns.Json()));
  for (const auto& call : reply->calls) {
    json::Document input;
    if (input.Parse(call.input)) continue;
    const auto patch = tools::ReadPatchInput(input.root());
    Check(patch.ok() || !patch.error().message.empty());
    tools::ReadGiveUpInput(input.root());
  }
  return 0;
}
