// Patches that a person or an agent proposes.
#pragma once

#include <string>

#include "server/pg/postgres.h"

namespace mend::apply {

struct Proposal {
  std::string planner;  // person or agent
  std::string ddl;
  std::string field_map;  // JSON
  std::string rationale;
  std::string readings;  // JSON
};

// Reads the proposal through the guard and records it: as proposed, or as refused, with a WARNING
// that says why. Returns the patch's id.
int64_t Propose(Oid relid, const Proposal& proposal);

}  // namespace mend::apply
