// What an administrator tells the workers. All take effect when the caller's transaction commits.
#pragma once

#include "server/pg/postgres.h"

namespace mend::worker {

// Switches healing on, takes over enrolments that came from another cluster or database, and asks
// for a round of every table.
void Start();

// Switches healing off: a worker finishes its transaction and leaves.
void Stop();

// Closes the breaker of `target` and asks for a round. Throws 55000 when it is not enrolled.
void ResetBreaker(Oid target);

// Whether an enrolment that carries these was made, or adopted by Start, in this very database.
bool AtHome(int64_t system_identifier, Oid database);

}  // namespace mend::worker
