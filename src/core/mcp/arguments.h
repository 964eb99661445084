// From what a client calls a tool with to what its service is run with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/mcp/service.h"
#include "core/tools/registry.h"

namespace mend::mcp {

inline constexpr int64_t kDefaultLimit = 20;
inline constexpr int64_t kMaxLimit = 100;

// A service and its arguments, checked.
struct Work {
  const Service* service = nullptr;
  std::vector<std::optional<std::string>> parameters;  // $1, ...; nullopt is NULL
  std::optional<std::string> table;  // to be looked up: its OID takes the place below
  size_t table_place = 0;            // index in `parameters`
  std::optional<int64_t> patch_id;   // the patch that is asked for, for the record
  int64_t limit = 0;                 // Page: rows wanted; the service is asked for one more
};

// Checks the arguments by the tool's own schema. An Error (22023) says what to mend.
base::Result<Work> PrepareCall(const tools::Tool& tool, json::Value arguments);

// For services that no tool shows: values in the order of its parameters, then the page.
Work PrepareQuery(const Service& service, std::vector<std::optional<std::string>> values);
Work PrepareQuery(const Service& service, std::vector<std::optional<std::string>> values,
                  std::optional<std::string> after, int64_t limit);

}  // namespace mend::mcp
