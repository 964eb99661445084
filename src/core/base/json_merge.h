// JSON Merge Patch (RFC 7396) on text: what a patch does not touch stays as it is written.
#pragma once

#include <string>

#include "core/base/json.h"

namespace mend::json {

// The text of `target`, parsed from text, as `patch` makes it. Where the target has a key that the
// patch touches twice, the first place is kept.
std::string MergePatch(Value target, Value patch);

}  // namespace mend::json
