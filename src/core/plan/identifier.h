// Column names from field names.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mend::plan {

inline constexpr size_t kMaxIdentifierBytes = 63;  // NAMEDATALEN - 1

// The usual snake_case: `_` between [a-z0-9] and [A-Z] and before the last capital of a run that
// lower-case letters follow, every run of other ASCII characters and wide blanks one `_`, then
// lower case; blanks at the ends are dropped, other bytes over 127 kept. `HTTPServer` is
// `http_server`, `userIDs` is `user_ids`.
std::string Normalise(std::string_view field);

// All common ways to write a name in snake_case, each once, the usual one first: acronyms kept
// together, joined with the word behind them, or split into their letters; digits of a name with
// capitals as words of their own. Cut at kMaxIdentifierBytes, as CREATE TABLE cuts.
std::vector<std::string> Spellings(std::string_view name);

// Whether one of the ways to write the one name is one of the ways to write the other.
bool MeanTheSame(std::string_view one, std::string_view other);

// The name for a new column: normalised, never empty, never a system column, at most 63 bytes cut
// at a character boundary. When `taken` says the name is used, or it had to be cut, a tag hashed
// from the original field is appended. Deterministic.
std::string ColumnNameFor(std::string_view field,
                          const std::function<bool(const std::string&)>& taken);

bool IsSystemColumn(std::string_view name);  // ctid, xmin, cmin, xmax, cmax, tableoid

// True when every byte sequence is valid UTF-8 without control and invisible characters.
bool IsPrintable(std::string_view field);

}  // namespace mend::plan
