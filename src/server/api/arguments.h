// Arguments of SQL-callable functions as values: nullopt for SQL NULL.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/pg/call.h"

namespace mend::api {

std::optional<std::string> TextArgument(FunctionCallInfo call, int index);  // mend.label too
std::optional<std::string> JsonbArgument(FunctionCallInfo call, int index);
std::optional<std::string> NameArgument(FunctionCallInfo call, int index);
std::optional<bool> BoolArgument(FunctionCallInfo call, int index);
std::optional<Oid> OidArgument(FunctionCallInfo call, int index);

// Elements of text[] or mend.label[]. Throws 22004 on a null element; `what` names the argument in
// the message.
std::optional<std::vector<std::string>> TextArrayArgument(FunctionCallInfo call, int index,
                                                          const char* what);

// Elements of int8[]. Throws 22004 on NULL and on a null element.
std::vector<int64_t> Int8ArrayArgument(FunctionCallInfo call, int index, const char* what);

// A table given as regclass. Throws 22004 on NULL.
Oid TargetArgument(FunctionCallInfo call, int index);

}  // namespace mend::api
