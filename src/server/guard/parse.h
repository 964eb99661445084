// DDL text to PostgreSQL's parse tree.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/pg/call.h"

namespace mend::guard {

// Why something is refused, in plain words; nullopt: it is not.
using Refusal = std::optional<std::string>;

// `text` in double quotes, cut so that no reason quotes much of what an attacker wrote.
std::string Quote(std::string_view text);

// What a patch may consist of, in the current memory context: one ALTER TABLE, or statements that
// alter an enum.
struct Parsed {
  const AlterTableStmt* table = nullptr;
  std::vector<const AlterEnumStmt*> enums;
};
// Refuses what is too long, does not parse, is another statement or several, or has a name that
// PostgreSQL would cut.
Refusal ParsePatch(std::string_view ddl, Parsed* parsed);

}  // namespace mend::guard
