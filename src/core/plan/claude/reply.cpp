// Reading what the API answers: nothing in it is trusted to be of the kind, size or form expected.
#include <algorithm>

#include "core/base/json_member.h"
#include "core/base/utf8.h"
#include "core/plan/claude/messages.h"

namespace mend::plan::claude {
namespace {

using json::Value;

constexpr size_t kMaxMessageBytes = 300;
constexpr size_t kMaxIdBytes = 200;
constexpr int64_t kMaxTokens = 1'000'000'000;  // of one answer: far past any context window

int64_t Tokens(Value usage, std::string_view name) {
  return std::clamp<int64_t>(json::IntegerMember(usage, name).value_or(0), 0, kMaxTokens);
}

Usage ReadUsage(Value usage) {
  Usage out;
  out.input_tokens = Tokens(usage, "input_tokens");
  out.output_tokens = Tokens(usage, "output_tokens");
  out.cache_read_tokens = Tokens(usage, "cache_read_input_tokens");
  const int64_t written = Tokens(usage, "cache_creation_input_tokens");
  const Value split = json::ObjectMember(usage, "cache_creation");
  out.cache_write_1h_tokens = std::min(written, Tokens(split, "ephemeral_1h_input_tokens"));
  out.cache_write_5m_tokens = written - out.cache_write_1h_tokens;
  return out;
}

std::string Readable(std::string_view text, size_t max_bytes) {
  std::string out(base::CutUtf8(text, max_bytes));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return out;
}

std::string TextOf(Value object, std::string_view name) {
  return Readable(json::StringMember(object, name).value_or(""), kMaxIdBytes);
}

bool IsId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxIdBytes &&
         std::all_of(id.begin(), id.end(), [](unsigned char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '_' || c == '-';
         });
}

// False when the block claims to be a call and is none, or repeats an id.
bool TakeCall(Value block, std::vector<ToolCall>* calls) {
  const auto id = json::StringMember(block, "id");
  const auto name = json::StringMember(block, "name");
  const Value input = json::ObjectMember(block, "input");
  if (!id || !IsId(*id) || !name || !input) return false;
  for (const ToolCall& call : *calls) {
    if (call.id == *id) return false;
  }
  calls->push_back({std::string(*id), std::string(*name), input.Serialise()});
  return true;
}

struct Content {
  bool sound = true;
  bool text = false;
  size_t blocks = 0;
};

Content ReadContent(Value content, std::vector<ToolCall>* calls) {
  Content out;
  for (Value block = content.First(); block; block = content.After(block)) {
    ++out.blocks;
    const auto type = json::StringMember(block, "type");
    if (!type) {
      out.sound = false;
    } else if (*type == "tool_use") {
      out.sound = TakeCall(block, calls) && out.sound;
    } else if (*type == "text") {
      // Blank text may not be echoed.
      const auto text = json::StringMember(block, "text");
      out.text = out.text || (text && text->find_first_not_of(" \t\r\n") != text->npos);
    }
  }
  return out;
}

ReplyKind KindOf(const Reply& reply, const Content& content) {
  const std::string& stop = reply.stop_reason;
  if (stop == "refusal") return ReplyKind::Refusal;
  if (stop == "max_tokens") return ReplyKind::Truncated;
  if (stop == "model_context_window_exceeded") return ReplyKind::TooLong;
  if (!content.sound) return ReplyKind::Unknown;
  if (stop == "tool_use") return reply.calls.empty() ? ReplyKind::Unknown : ReplyKind::ToolCalls;
  if (stop != "end_turn" || !reply.calls.empty()) return ReplyKind::Unknown;
  return content.text ? ReplyKind::Text : ReplyKind::Empty;
}

}  // namespace

std::optional<Reply> ParseReply(std::string_view body) {
  json::Document document;
  if (document.Parse(body)) return std::nullopt;
  const Value root = document.root();
  const Value content = json::ArrayMember(root, "content");
  if (!content || json::StringMember(root, "type") != std::string_view("message")) {
    return std::nullopt;
  }
  Reply reply;
  reply.id = TextOf(root, "id");
  reply.model = TextOf(root, "model");
  reply.stop_reason = TextOf(root, "stop_reason");
  reply.refusal_category = TextOf(json::ObjectMember(root, "stop_details"), "category");
  reply.content = content.Serialise();
  reply.usage = ReadUsage(json::ObjectMember(root, "usage"));
  reply.kind = KindOf(reply, ReadContent(content, &reply.calls));
  return reply;
}

ApiError ParseError(const net::Response& response) {
  ApiError out;
  out.status = response.status;
  // Anthropic's own, then those of the cloud platforms.
  for (const char* name : {"request-id", "x-amzn-requestid", "apim-request-id", "x-ms-request-id",
                           "x-goog-request-id"}) {
    if (const std::string* id = net::FindHeader(response.headers, name);
        id && out.request_id.empty()) {
      out.request_id = Readable(*id, kMaxIdBytes);
    }
  }
  // AWS: "ThrottlingException:http://internal.amazon.com/...".
  if (const std::string* type = net::FindHeader(response.headers, "x-amzn-errortype")) {
    out.type = Readable(std::string_view(*type).substr(0, type->find(':')), kMaxIdBytes);
  }
  json::Document document;
  if (document.Parse(response.body)) return out;
  // Google wraps an error into an array where the answer would have been a stream.
  Value root = document.root();
  if (root && root.kind() == json::Kind::Array && root.First()) root = root.First();
  const Value error = json::ObjectMember(root, "error");
  for (const char* name : {"type", "status", "code"}) {
    if (out.type.empty()) out.type = TextOf(error, name);
  }
  out.code = TextOf(json::ObjectMember(error, "details"), "error_code");
  auto message = json::StringMember(error, "message");
  for (const char* name : {"message", "Message"}) {
    if (!message) message = json::StringMember(root, name);
  }
  out.message = Readable(message.value_or(""), kMaxMessageBytes);
  return out;
}

}  // namespace mend::plan::claude
