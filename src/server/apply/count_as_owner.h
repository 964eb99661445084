// Looks into a landing table with its owner's rights.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/pg/spi.h"

namespace mend::apply {

// How many rows a query gives, run as the owner of the table `relid`; nullopt where that may not be
// known: policies hide rows from him, say, or a value has no such type. Needs a transaction, and no
// identity entered.
std::optional<uint64_t> CountAsOwner(Oid relid, const std::string& sql,
                                     const std::vector<pg::Param>& params = {});

}  // namespace mend::apply
