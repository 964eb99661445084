// Where Claude is reached, and with which credential.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/plan/claude/messages.h"

namespace mend::claude {

struct Access {
  enum class State : uint8_t {
    Absent,    // nobody has configured a credential, or there is no network: no claude planner
    Unusable,  // somebody has, and it cannot be used: `fault` says why, without quoting it
    Ready,
  } state = State::Absent;
  plan::claude::Endpoint endpoint;  // its headers are secret too
  std::string fault;
  // Changes when the settings or the files do; tells nothing of what is secret.
  std::string config;
};

// From the settings, else from the server's environment. Reads files anew each time, so that what
// was replaced is taken up; asks nobody over the network.
Access LoadAccess();

}  // namespace mend::claude
