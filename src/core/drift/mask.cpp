#include "core/drift/mask.h"

#include "core/base/utf8.h"

namespace mend::drift {
namespace {

char MaskOf(char32_t c) {
  if (c >= '0' && c <= '9') return '9';
  if (c >= 'a' && c <= 'z') return 'a';
  if (c >= 'A' && c <= 'Z') return 'A';
  if (c >= 0x80) return 'x';
  return c < 0x20 || c == 0x7F ? '?' : static_cast<char>(c);
}

}  // namespace

std::string Mask(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (out.size() == kMaxMaskCharacters) return out + "...";
    char32_t c;
    size_t length = base::DecodeUtf8(text, &c);
    if (length == 0) {
      c = 0x80;
      length = 1;
    }
    out += MaskOf(c);
    text.remove_prefix(length);
  }
  return out;
}

std::string Mask(json::Value value) {
  switch (value.kind()) {
    case json::Kind::Object: return "{}";
    case json::Kind::Array: return "[]";
    case json::Kind::String:
    case json::Kind::Number: return Mask(value.text());
    case json::Kind::True:
    case json::Kind::False: return "boolean";  // which of the two is the value
    default: return std::string(value.text());
  }
}

}  // namespace mend::drift
