// Columns that rules add by themselves: what they were made from, so that later values may better
// them.
#pragma once

#include "server/apply/patches.h"

namespace mend::heal {

// Keeps what the columns of an applied patch were made from. A type that somebody has decided on is
// no guess.
void KeepOwnColumns(Oid target_oid, const apply::PatchRecord& record,
                    const drift::DriftSet& covered);

}  // namespace mend::heal
