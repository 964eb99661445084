#include "core/base/json_scan.h"

#include <cstdint>
#include <cstring>

#include "core/base/long_work.h"
#include "core/base/number.h"

namespace mend::json {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

size_t FindHighControl(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  size_t at = 0;
  for (; text.size() - at >= 8; at += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    const uint64_t zero_where_found = (word & kOnes * 0xF8) ^ kOnes * 0x18;
    if (((zero_where_found - kOnes) & ~zero_where_found & kOnes * 0x80) != 0) break;
  }
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xF8) != 0x18) ++at;
  return at;
}

size_t StringEnd(std::string_view text, size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

size_t ValueEnd(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && IsBlank(text[at])) ++at;
  size_t depth = 0;
  base::LongWork work;
  while (at < text.size()) {
    work.Took();
    const char c = text[at];
    if (c == '"') {
      at = StringEnd(text, at);
      if (depth == 0) return at;
      continue;
    }
    const bool closes = c == ']' || c == '}';
    if (depth == 0 && (closes || c == ',' || c == ':' || IsBlank(c))) return at;
    if (c == '[' || c == '{') ++depth;
    if (closes && --depth == 0) return at + 1;
    ++at;
  }
  return at;
}

void HideNumbers(std::string_view source, std::string* buffer) {
  base::LongWork work;
  for (size_t at = 0; at < source.size();) {
    work.Took();
    const char c = source[at];
    if (c == '"') {
      at = StringEnd(source, at);
      continue;
    }
    if (c != '-' && (c < '0' || c > '9')) {
      ++at;
      continue;
    }
    const size_t length = base::JsonNumberLength(source.substr(at));
    if (length == 0) return;  // "--1" must not become "-0": leave it for the reader to refuse
    (*buffer)[at] = '0';
    std::memset(&(*buffer)[at + 1], ' ', length - 1);
    at += length;
  }
}

}  // namespace mend::json
