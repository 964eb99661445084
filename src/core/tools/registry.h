// The tools that a planning agent is given: one table of names, schemas and hints, for Claude and
// for MCP alike.
#pragma once

#include <cstddef>
#include <string_view>

namespace mend::tools {

// What a client may assume of a call (MCP's tool annotations).
struct Hints {
  bool read_only = false;
  bool destructive = false;
  bool idempotent = false;
  bool open_world = false;  // reaches beyond this database
};

// All texts are constants. Schemas are JSON Schema 2020-12 in the subset that strict tool use
// takes: additionalProperties false, every property required, no length or range limits.
struct Tool {
  std::string_view name;
  std::string_view title;
  std::string_view description;
  std::string_view input_schema;
  Hints hints;
};

inline constexpr std::string_view kProposePatch = "propose_patch";
inline constexpr std::string_view kGiveUp = "give_up";

// In the order in which they are shown; never reordered, for caches know them by their bytes.
inline constexpr size_t kToolCount = 2;
const Tool& ToolAt(size_t index);  // index < kToolCount
const Tool* FindTool(std::string_view name);

}  // namespace mend::tools
