// What the steps of a widening and its swap share.
#pragma once

#include <string>
#include <vector>

#include "server/apply/widening_parts.h"

namespace mend::apply {

// The table has no such column any more, or another one under its number.
struct Gone {
  std::string why;
};

// What stands on the column now; throws Gone.
Parts FindParts(const Widening& widening);

// Tables that a column refers to lose and get triggers with its foreign keys. They are locked
// first: whoever uses them is not waited for under the lock on the table.
void LockReferenced(Oid target, int16_t attnum);

// As the healer, under the lock on the table.
void RunStatements(const Widening& widening, const std::vector<std::string>& statements,
                   Oid sequence = InvalidOid);

// Why rows are not copied now: what clients wait for. Old transactions that hold back vacuum while
// rows are written twice, and standbys that are behind. Empty: nothing.
std::string WhyWaitForOthers(Oid target);

// Why a step failed, and how often in a row it may before a person must decide.
struct StepFailure {
  std::string why;
  int most_tries = 0;
};
// Throws the error again where it must propagate.
StepFailure FailureOf(const pg::Error& error);

}  // namespace mend::apply
