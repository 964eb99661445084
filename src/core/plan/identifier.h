// Column names from field names.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace mend::plan {

inline constexpr size_t kMaxIdentifierBytes = 63;  // NAMEDATALEN - 1

// snake_case for key resolution: `_` between [a-z0-9] and [A-Z], every run of other ASCII
// characters one `_`, then lower case. `HTTPServer` is `httpserver`; bytes over 127 are kept.
std::string Normalise(std::string_view field);

// The name for a new column: normalised, never empty, never a system column, at most 63 bytes cut
// at a character boundary. When `taken` says the name is used, or it had to be cut, a tag hashed
// from the original field is appended. Deterministic.
std::string ColumnNameFor(std::string_view field,
                          const std::function<bool(const std::string&)>& taken);

bool IsSystemColumn(std::string_view name);  // ctid, xmin, cmin, xmax, cmax, tableoid

// True when every byte sequence is valid UTF-8 without control characters.
bool IsPrintable(std::string_view field);

}  // namespace mend::plan
