// Addresses of resources.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mend::mcp {

inline constexpr std::string_view kSummaryAddress = "mend://drift/summary";
inline constexpr std::string_view kTableTemplate = "mend://table/{schema}/{table}";
inline constexpr std::string_view kPatchTemplate = "mend://patch/{patch_id}";

struct Address {
  enum class Kind { Summary, Table, Patch } kind = Kind::Summary;
  std::string table;     // Table: its name with both parts quoted
  int64_t patch_id = 0;  // Patch
};

// nullopt: nothing has that address.
std::optional<Address> ReadAddress(std::string_view uri);

std::string TableAddress(std::string_view schema, std::string_view table);

}  // namespace mend::mcp
