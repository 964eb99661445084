// Which service serves a tool that clients are given.
#pragma once

#include <string_view>

#include "core/mcp/service.h"

namespace mend::mcp {

struct ToolService {
  std::string_view tool;
  const Service* service;
  const Service* values_service;  // instead, when include_values is true; or nullptr
  std::string_view allowed_if;    // SQL, true when the current role may use it; constants only
};

// nullptr: the tool is for the planner only.
const ToolService* FindToolService(std::string_view tool);

}  // namespace mend::mcp
