#include "core/mcp/message.h"

#include "core/base/json_member.h"
#include "core/base/json_writer.h"
#include "core/base/number.h"

namespace mend::mcp {
namespace {

// Ids are echoed: a client that sends a long one is not worth an answer that repeats it.
constexpr size_t kMaxIdBytes = 1000;

bool IsId(json::Value value) {
  if (!value || value.text().size() > kMaxIdBytes) return false;
  return value.kind() == json::Kind::String ||
         (value.kind() == json::Kind::Number && base::IsCanonicalInteger(value.text()));
}

}  // namespace

Message::Message(std::string text) : text_(std::move(text)) { Read(); }

void Message::Read() {
  if (auto failure = document_.Parse(text_)) {
    return Refuse(code::kParse, "Parse error: " + failure->message + ", at byte " +
                                    std::to_string(failure->offset));
  }
  const json::Value root = document_.root();
  if (root.kind() == json::Kind::Array) {
    return Refuse(code::kInvalidRequest, "Batches are not taken: send one message at a time");
  }
  if (root.kind() != json::Kind::Object) {
    return Refuse(code::kInvalidRequest, "A message must be an object");
  }
  const json::Value id = json::Member(root, "id");
  if (IsId(id)) id_ = id.Serialise();
  if (json::StringMember(root, "jsonrpc") != std::string_view("2.0")) {
    return Refuse(code::kInvalidRequest, "jsonrpc must be \"2.0\"");
  }
  const json::Value method = json::Member(root, "method");
  if (!method && (json::Member(root, "result") || json::Member(root, "error"))) {
    kind_ = Kind::Response;
    return;
  }
  if (!method || method.kind() != json::Kind::String) {
    return Refuse(code::kInvalidRequest, "method must be a string");
  }
  if (id && id_.empty()) {
    return Refuse(code::kInvalidRequest, "id must be a string or an integer");
  }
  const json::Value params = json::Member(root, "params");
  if (params && params.kind() != json::Kind::Object) {
    return Refuse(code::kInvalidParams, "params must be an object");
  }
  kind_ = id ? Kind::Request : Kind::Notification;
  method_ = method.text();
  params_ = params;
}

void Message::Refuse(int fault_code, std::string why) {
  fault_code_ = fault_code;
  fault_ = std::move(why);
}

json::Value Message::meta() const { return json::ObjectMember(params_, "_meta"); }

std::string ResultReply(const std::string& id, std::string_view result) {
  json::Writer out;
  out.Object().String("jsonrpc", "2.0").Raw("id", id).Raw("result", result);
  return out.Close().Take();
}

std::string ErrorReply(const std::string& id, int code, std::string_view message,
                       std::string_view data) {
  json::Writer out;
  out.Object().String("jsonrpc", "2.0");
  if (!id.empty()) out.Raw("id", id);
  out.Key("error").Object().Number("code", code).String("message", message);
  if (!data.empty()) out.Raw("data", data);
  return out.Close().Close().Take();
}

}  // namespace mend::mcp
