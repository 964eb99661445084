#include "core/base/utf8.h"

#include <cstdint>
#include <cstring>

#include "core/base/long_work.h"

namespace mend::base {
namespace {

constexpr uint64_t kHighBits = 0x8080808080808080;

bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

size_t SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

}  // namespace

size_t DecodeUtf8(std::string_view text, char32_t* code_point) {
  if (text.empty()) return 0;
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t length = SequenceLength(lead);
  if (length == 0 || length > text.size()) return 0;
  if (length == 1) {
    *code_point = lead;
    return 1;
  }
  char32_t value = lead & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
    value = (value << 6) | (static_cast<unsigned char>(text[i]) & 0x3F);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return 0;
  *code_point = value;
  return length;
}

size_t ValidUtf8Prefix(std::string_view text) {
  LongWork work;
  size_t at = 0;
  while (at < text.size()) {
    work.Took();
    if (text.size() - at >= 8) {
      uint64_t word;
      std::memcpy(&word, text.data() + at, 8);
      if ((word & kHighBits) == 0) {
        at += 8;
        continue;
      }
    }
    char32_t code_point;
    const size_t length = DecodeUtf8(text.substr(at), &code_point);
    if (length == 0) return at;
    at += length;
  }
  return at;
}

size_t CountCharacters(std::string_view text) {
  size_t count = 0;
  for (char byte : text) count += IsContinuation(byte) ? 0 : 1;
  return count;
}

std::string_view CutUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t cut = max_bytes;
  // A character has at most three continuation bytes: more are not UTF-8, and are cut as they are.
  for (int back = 0; back < 3 && cut > 0 && IsContinuation(text[cut]); ++back) --cut;
  if (IsContinuation(text[cut])) cut = max_bytes;
  return text.substr(0, cut);
}

}  // namespace mend::base
