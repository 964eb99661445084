// The statements of a widening online: they make of its second column what the first one is, and
// are run as given (guard::RunAsHealer, guard::RunAsOwner).
#pragma once

#include <string>
#include <vector>

#include "server/apply/widening_parts.h"

namespace mend::apply {

// Step "column": the second column, its checks, and the trigger.
std::vector<std::string> AddStatements(const Widening& widening, const Parts& parts);
// The checks that are still missing; empty: none is.
std::string AddChecks(const Widening& widening, const Parts& parts);
// The foreign keys that are still missing, by the owner, who may refer; empty: none is.
std::string AddForeignKeys(const Parts& parts);
// Has PostgreSQL look at every row; empty: all is looked at.
std::string Validate(const Widening& widening, const Parts& parts);
// The extended statistics that are still missing, by the owner, and what ANALYZE reads for them and
// for the second column.
std::vector<std::string> AddStatistics(const Parts& parts);
std::string Analyze(const Widening& widening, const Parts& parts);
// The second column takes the place of the first, and all that stands on it with it; indexes that
// are no constraint's, and extended statistics, still have to be given their names
// (guard::RenameIndex, guard::RenameStatistics).
std::vector<std::string> SwapStatements(const Widening& widening, const Parts& parts);
// Takes away what was added; nothing of it need be there.
std::vector<std::string> RemoveStatements(const Widening& widening, const Parts& parts);

}  // namespace mend::apply
