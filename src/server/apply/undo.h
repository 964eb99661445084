// What an applied patch did, and what is kept of the table before it is taken back.
#pragma once

#include <string>
#include <vector>

#include "server/table/target.h"

namespace mend::apply {

// As mend.patches has it, in its evidence.
struct AppliedAction {
  std::string kind, column, type, from, reading;
};

std::vector<AppliedAction> ReadActions(const std::string& text);
// The fields of the drift that the patch answered.
std::vector<std::string> ReadFields(const std::string& text);

// Refuses where what a patch made was changed by hand, or by a later patch.
void CheckUnchanged(int64_t id, const table::Target& target, const AppliedAction& action);

// Keeps what would be lost, or refuses. Under the lock. `fields`: of the drift
// that the patch answered.
void SaveForUndo(int64_t id, const table::Target& target, const std::vector<AppliedAction>& actions,
                 std::vector<std::string> fields);

// Whether a row has a value that there would be no place for without the action.
bool IsInUse(const table::Target& target, const AppliedAction& action);

}  // namespace mend::apply
