// Where the Anthropic API is, and the key to it.
#pragma once

#include <string>

#include "core/plan/claude/messages.h"

namespace mend::claude {

struct Access {
  enum class State : uint8_t {
    Absent,    // nobody has configured a key: there is no claude planner
    Unusable,  // somebody has, and it cannot be used: `fault` says why, without quoting it
    Ready,
  } state = State::Absent;
  std::string base;
  plan::claude::Credential credential;  // never to be written anywhere
  std::string fault;
  // Changes when the settings or the key file do; tells nothing of the key.
  std::string config;
};

// From mend.api_key_file and mend.api_url, else from the server's environment. Reads the file anew
// each time, so that a replaced key is taken up.
Access LoadAccess();

// The key in a file: what stands in it, without white space around. The file must be a regular one
// (no symbolic link), belong to the user whom the server runs as, be closed to everybody else (mode
// 0600 or stricter), and hold one line of at most 4 kB. False: `fault` says what is wrong with it;
// `mark` changes when the file does.
bool ReadKeyFile(const char* path, std::string* key, std::string* mark, std::string* fault);

}  // namespace mend::claude
