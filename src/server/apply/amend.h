// Correcting dead letters: a merge patch over their payloads.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/json.h"
#include "server/pg/call.h"

namespace mend::apply {

struct Amended {
  int64_t changed = 0;  // payloads that the patch changes
  int64_t fits = 0;     // of all that were named, those that then fit their tables
};

// Changes the payloads of the dead letters of these ids, unless `dry_run`, and keeps the originals
// beside them; leaves an event a table. What is no JSON stays as it is, and so do letters that
// `caller` may not release, with a NOTICE. Whether one fits is judged as its submitter, in a
// security-restricted operation, and without storing it.
Amended Amend(Oid caller, const std::vector<int64_t>& ids, json::Value patch, bool dry_run);

}  // namespace mend::apply
