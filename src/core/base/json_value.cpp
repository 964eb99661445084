// Reading a tape, and writing JSON text from it.
#include "core/base/json.h"
#include "core/base/long_work.h"
#include "core/base/utf8.h"

namespace mend::json {
namespace {

void AppendEscaped(std::string* out, unsigned char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"': *out += "\\\""; return;
    case '\\': *out += "\\\\"; return;
    case '\b': *out += "\\b"; return;
    case '\f': *out += "\\f"; return;
    case '\n': *out += "\\n"; return;
    case '\r': *out += "\\r"; return;
    case '\t': *out += "\\t"; return;
    default:
      *out += "\\u00";
      *out += kHex[c >> 4];
      *out += kHex[c & 15];
  }
}

std::string_view TextOf(const Token& token) {
  switch (token.kind) {
    case Kind::Null: return "null";
    case Kind::False: return "false";
    case Kind::True: return "true";
    case Kind::Number:
    case Kind::String: return {token.data, token.size};
    default: return {};
  }
}

// A container that is being written: its index, and what is left of it.
struct Level {
  uint32_t container;
  uint32_t written = 0;  // tokens directly in it: keys and values both count in an object
};

// What stands between the previous child of `level` and the next.
void AppendSeparator(std::string* out, Kind container, const Level& level, Value::Space space) {
  if (level.written == 0) return;
  const bool value_of_key = container == Kind::Object && level.written % 2 == 1;
  *out += value_of_key ? ':' : ',';
  if (space == Value::Space::Jsonb) *out += ' ';
}

}  // namespace

void AppendQuoted(std::string* out, std::string_view text) {
  *out += '"';
  base::LongWork work;
  size_t at = 0;
  while (at < text.size()) {
    work.Took();
    const auto c = static_cast<unsigned char>(text[at]);
    if (c < 0x80) {
      if (c < 0x20 || c == '"' || c == '\\') {
        AppendEscaped(out, c);
      } else {
        *out += text[at];
      }
      ++at;
      continue;
    }
    char32_t code_point;
    const size_t length = base::DecodeUtf8(text.substr(at), &code_point);
    if (length == 0) {
      *out += "\xEF\xBF\xBD";
      ++at;
    } else {
      out->append(text, at, length);
      at += length;
    }
  }
  *out += '"';
}

bool Value::IsNothing() const {
  for (uint32_t i = index_; i < token().next; ++i) {
    const Token& part = document_->tokens()[i];
    if (part.kind != Kind::Null && part.kind != Kind::Array &&
        (part.kind != Kind::Object || part.size > 0)) {
      return false;
    }
  }
  return true;
}

std::string_view Value::text() const { return TextOf(token()); }

Value Value::First() const {
  const bool container = !IsScalar();
  return container && token().next > index_ + 1 ? Value(document_, index_ + 1) : Value();
}

Value Value::After(Value element) const {
  const uint32_t last = kind() == Kind::Object ? element.index_ + 1 : element.index_;
  const uint32_t next = document_->tokens()[last].next;
  return next < token().next ? Value(document_, next) : Value();
}

std::string Value::Serialise(Space space) const {
  const Token& self = token();
  if (self.end != 0) {
    return std::string(document_->source().substr(self.begin, self.end - self.begin));
  }
  const std::vector<Token>& tokens = document_->tokens();
  std::string out;
  std::vector<Level> levels;
  base::LongWork work;
  for (uint32_t at = index_; at < self.next; ++at) {
    work.Took();
    const Token& token = tokens[at];
    if (!levels.empty()) {
      AppendSeparator(&out, tokens[levels.back().container].kind, levels.back(), space);
      ++levels.back().written;
    }
    if (token.kind == Kind::Array || token.kind == Kind::Object) {
      out += token.kind == Kind::Array ? '[' : '{';
      levels.push_back({at});
    } else if (token.kind == Kind::String) {
      AppendQuoted(&out, TextOf(token));
    } else {
      out += TextOf(token);
    }
    while (!levels.empty() && tokens[levels.back().container].next == at + 1) {
      out += tokens[levels.back().container].kind == Kind::Array ? ']' : '}';
      levels.pop_back();
    }
  }
  return out;
}

}  // namespace mend::json
