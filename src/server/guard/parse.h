// DDL text to PostgreSQL's parse tree.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/pg/call.h"

namespace mend::guard {

// Why something is refused, in plain words; nullopt: it is not.
using Refusal = std::optional<std::string>;

// `text` in double quotes, cut so that no reason quotes much of what an attacker wrote.
std::string Quote(std::string_view text);

// The one ALTER TABLE that the text consists of, in the current memory context. Refuses what is too
// long, does not parse, is another statement or several, or has a name that PostgreSQL would cut.
Refusal ParseAlterTable(std::string_view ddl, const AlterTableStmt** statement);

}  // namespace mend::guard
