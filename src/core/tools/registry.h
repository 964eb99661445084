// The tools that an agent is given: one table of names, schemas and hints, for the worker's
// conversation with Claude and for MCP clients alike. Approval is no tool. What serves clients:
// core/mcp/tool_service.h.
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

// What one kind of agent is shown; an empty schema: it is not given the tool.
struct Offer {
  std::string_view description;
  std::string_view input_schema;
};

// All texts are constants.
struct Tool {
  std::string_view name;
  std::string_view title;
  Hints hints;
  // The worker's conversation about one table. JSON Schema 2020-12 in the subset that strict tool
  // use takes: additionalProperties false, every property required, no length or range limits.
  Offer planner;
  // MCP clients, about any table. Input schemas in the subset of core/mcp/schema.h.
  Offer client;
  std::string_view output_schema;  // of client calls that are no error
};

inline constexpr std::string_view kProposePatch = "propose_patch";
inline constexpr std::string_view kGiveUp = "give_up";

// In the order in which they are shown; never reordered, for caches know them by their bytes.
inline constexpr size_t kToolCount = 10;
const Tool& ToolAt(size_t index);  // index < kToolCount
const Tool* FindTool(std::string_view name);

inline bool ForPlanner(const Tool& tool) { return !tool.planner.input_schema.empty(); }
inline bool ForClients(const Tool& tool) { return !tool.client.input_schema.empty(); }

}  // namespace mend::tools
