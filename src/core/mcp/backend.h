// What the protocol needs of the database. The bridge gives it libpq; tests give it values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/mcp/arguments.h"
#include "core/mcp/page.h"

namespace mend::mcp {

struct CallRecord {
  std::string_view tool;
  std::string sqlstate;  // empty: it went well
  int64_t milliseconds = 0;
  std::optional<int64_t> patch_id;
  std::optional<std::string> table;  // as the client named it
};

class Backend {
 public:
  virtual ~Backend() = default;

  // One transaction, read-only where the service is. Bounded in time; a lost connection is an Error
  // of class 08 or 57.
  virtual base::Result<std::vector<Row>> Run(const Work& work) = 0;

  // Whether our role may use the tools, by index of the registry.
  virtual base::Result<std::vector<bool>> Allowed() = 0;

  // Keeps an event of a tool's call. Never fails for the caller.
  virtual void Record(const CallRecord& record) = 0;

  // A clock that only goes forward.
  virtual int64_t Milliseconds() = 0;
};

}  // namespace mend::mcp
