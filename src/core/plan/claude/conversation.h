// Asking Claude for a patch until one is accepted, or until there is a reason to stop. Every way
// this ends is a value with words for a person; the number of calls is bounded.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/net/clock.h"
#include "core/net/retry.h"
#include "core/net/transport.h"
#include "core/plan/claude/messages.h"
#include "core/plan/claude/prompt.h"
#include "core/tools/input.h"

namespace mend::plan::claude {

struct Settings {
  Endpoint endpoint;
  Credential credential;
  std::string model;
  std::string effort = "low";
  int max_turns = 4;             // answers asked of the first model
  std::string escalation_model;  // empty, or the first model again: nobody else is asked
  std::string escalation_effort = "medium";
  int escalation_turns = 1;
  int64_t max_tokens = 8192;    // thinking included
  int64_t more_tokens = 16384;  // once, when an answer was cut
  int64_t connect_timeout_ms = 10'000;
  int64_t request_timeout_ms = 120'000;
  bool cache = false;  // see Ask::cache
  net::RetryPolicy retry;
};

// One HTTP exchange, for the books: tokens and dollars are spent even when nothing comes of it.
struct Call {
  std::string model;
  int status = 0;  // 0: no answer
  size_t request_bytes = 0;
  Usage usage;
  std::string request_id;
};

struct Verdict {
  bool accepted = false;
  std::string reason;  // why not; goes to the model, so it quotes no value
  bool moot = false;   // there is nothing to ask about any more
};

// What the conversation needs of its caller. All of it may throw; nothing is left behind.
struct World {
  net::Transport* transport = nullptr;
  net::Clock* clock = nullptr;
  net::Pulse pulse;
  // Guard and proof. Field names are the true ones.
  std::function<Verdict(const std::string& model, const tools::PatchInput&)> judge;
  // A proposal that cannot even be read, and why: for the books. `ddl` is its text, cut; may be
  // empty.
  std::function<void(const std::string& model, const std::string& ddl, const std::string& reason)>
      unreadable;
  // Before each exchange: why it may not be made now (a spent budget), or empty.
  std::function<std::string(const std::string& model)> gate;
  std::function<void(const Call&)> record;  // after each exchange
  // Before each request: the credential as it is now, so that one that is rotated is taken up, or
  // why there is none. `refused`: the one that was given last was not accepted. Not set: that of
  // the settings, for good.
  std::function<base::Result<Credential>(bool refused)> credential;
  // Before each request is sent: its exact body, for the ledger.
  std::function<void(const std::string& model, const std::string& body)> sending;
};

enum class End : uint8_t {
  Accepted,
  // Claude has answered, and no patch is to be had: dead letters.
  GaveUp,        // it says that no allowed patch is right
  Refused,       // what it proposed was refused or proved nothing
  ModelRefusal,  // it declined to answer
  Nonsense,      // no tool call that can be read
  // There is no answer yet: rows wait.
  KeyRefused,
  RateLimited,
  SpendLimit,
  Overloaded,  // also any other fault on their side
  Network,
  BadRequest,  // the request was refused: an unknown model, a gateway that knows another API
  Held,        // by the gate
  Cancelled,
  Moot,  // there is nothing to ask about any more
};

std::string_view Name(End end);  // "accepted", "gave_up", ...
bool RowsWait(End end);

struct Attempt {
  std::string model;
  tools::PatchInput patch;
  std::string reason;  // why it was refused
};

struct Result {
  End end = End::Nonsense;
  std::string reason;                  // for a person; no value, no credential
  std::string model;                   // whose answer it is
  tools::PatchInput patch;             // Accepted
  std::vector<Attempt> refused;        // in order
  std::optional<int64_t> retry_at_ms;  // when the API asked to be left alone until then
};

Result Converse(const Settings& settings, const Case& input, const World& world);

// The body of the first request that Converse sends.
std::string FirstRequest(const Settings& settings, const Case& input);

}  // namespace mend::plan::claude
