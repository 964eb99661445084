// Input functions that report what is wrong with a value without raising it (PostgreSQL 16 and
// later), so that they need no subtransaction.
#pragma once

#include <optional>
#include <string>

#include "server/convert/type_info.h"

namespace mend::convert {

// Past this, what is wrong may be that memory or a limit of the type runs out, which is raised all
// the same.
constexpr size_t kMaxSoftBytes = 1024 * 1024;

// Whether the type's input function raises nothing for any text up to that size. Known of
// PostgreSQL's own functions alone; false on PostgreSQL 15. Not for arrays: theirs depends on their
// elements.
bool HasSoftInput(Oid type, Oid input);

// The value into CurrentMemoryContext, or what is wrong with `text`. Only where soft_input holds.
std::optional<pg::Error> InputSoftly(const TypeInfo& type, int32_t typmod, const std::string& text,
                                     Datum* out);

}  // namespace mend::convert
