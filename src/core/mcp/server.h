// Answers messages of both eras. Keeps no state between messages: any message may come first, and
// several threads may ask at once if the backend allows it.
#pragma once

#include <string>
#include <string_view>

#include "core/mcp/backend.h"
#include "core/mcp/era.h"
#include "core/mcp/message.h"

namespace mend::mcp {

struct Answer {
  std::string text;    // one JSON-RPC message on one line; empty: none is due
  int error_code = 0;  // of an error reply; 0: a result, or nothing
  bool modern = false;
};

class Server {
 public:
  // `version`: the program's. The backend outlives the server.
  Server(Backend* backend, std::string version);

  // `header`: see IsModern.
  Answer Handle(const Message& message, std::string_view header = {}) const;

 private:
  Backend* backend_;
  std::string version_;
};

}  // namespace mend::mcp
