// The methods, one function each: they write the members of their result into `out`, an object that
// is open, or say what is wrong.
#pragma once

#include <optional>
#include <string_view>

#include "core/base/json_writer.h"
#include "core/mcp/backend.h"
#include "core/mcp/era.h"

namespace mend::mcp {

struct Asked {
  Backend* backend;
  bool modern;
  json::Value params;  // an object, or nothing
};

using Fault = std::optional<RpcError>;

inline Fault InvalidParams(std::string why) {
  return RpcError{code::kInvalidParams, std::move(why), ""};
}
// What the database said, for methods whose results have no place for an error.
RpcError DatabaseFault(const base::Error& error);

Fault ListTools(const Asked& asked, json::Writer* out);
Fault CallTool(const Asked& asked, json::Writer* out);
Fault ListResources(const Asked& asked, json::Writer* out);
Fault ListResourceTemplates(const Asked& asked, json::Writer* out);
Fault ReadResource(const Asked& asked, json::Writer* out);
Fault ListPrompts(const Asked& asked, json::Writer* out);
Fault GetPrompt(const Asked& asked, json::Writer* out);
Fault Complete(const Asked& asked, json::Writer* out);

}  // namespace mend::mcp
