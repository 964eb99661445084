// What a patch would do, without doing it.
#pragma once

#include <string>

#include "server/pg/postgres.h"

namespace mend::apply {

struct DryRunResult {
  bool ok = false;
  int64_t tried = 0;   // waiting rows and dead letters
  int64_t healed = 0;  // those of them that fit thanks to the patch
  bool rewrites = false;
  std::string reason;  // why it is not ok
};

// Reads the patch through the guard and proves it on what waits; what does not pass is not ok, with
// the guard's reason. `live`: where the proof is good, also takes the lock, alters for real, stores
// a sample as its submitter, and rolls all of that back. `suggested`: rules have proposed it, which
// the enrolment need not allow.
DryRunResult DryRun(Oid relid, const std::string& ddl, const std::string& field_map, bool live,
                    bool suggested);

}  // namespace mend::apply
