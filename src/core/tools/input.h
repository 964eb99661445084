// What a tool was called with, checked: whoever calls may send anything.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/json.h"
#include "core/base/result.h"

namespace mend::tools {

inline constexpr size_t kMaxDdlBytes = 32 << 10;
inline constexpr size_t kMaxMappings = 1000;
inline constexpr size_t kMaxReadingBytes = 4000;
inline constexpr size_t kMaxRationaleBytes = 4000;

// How values of a field are to be read for a column. Whether it is a reading is not asked here.
struct ReadingInput {
  std::string field, column, reading;
};

struct PatchInput {
  std::string ddl;
  std::vector<std::pair<std::string, std::optional<std::string>>> field_map;
  std::vector<ReadingInput> readings;
  std::string rationale;  // cut at kMaxRationaleBytes, control characters made blanks
};

// The planner's conversation is about one table and gives every member; a client names the table,
// and may leave field_map out. Both may leave readings out.
enum class PatchInputOf { Planner, Client };

// The error says what to mend. Unknown members, a field mapped twice, sizes past the limits and a
// patch of nothing are refused.
base::Result<PatchInput> ReadPatchInput(json::Value input,
                                        PatchInputOf whose = PatchInputOf::Planner);
base::Result<std::string> ReadGiveUpInput(json::Value input);

}  // namespace mend::tools
