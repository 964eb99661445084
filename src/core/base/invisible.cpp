#include "core/base/invisible.h"

#include <algorithm>
#include <iterator>

#include "core/base/utf8.h"

namespace mend::base {
namespace {

struct Range {
  char32_t first, last;
};

// mend.in_order() in sql/install/73_review.sql has the same.
constexpr Range kInvisible[] = {
    {0x00AD, 0x00AD},   {0x034F, 0x034F},   {0x061C, 0x061C}, {0x115F, 0x1160}, {0x17B4, 0x17B5},
    {0x180B, 0x180F},   {0x200B, 0x200F},   {0x2028, 0x202E}, {0x2060, 0x206F}, {0x3164, 0x3164},
    {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0}, {0xFFF9, 0xFFFB}, {0x1BCA0, 0x1BCA3},
    {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

constexpr Range kWideBlanks[] = {
    {0x00A0, 0x00A0}, {0x1680, 0x1680}, {0x2000, 0x200A},
    {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
};

template <size_t Size>
bool IsIn(const Range (&ranges)[Size], char32_t c) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [&](const Range& range) { return c >= range.first && c <= range.last; });
}

bool IsAsciiBlank(char32_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The bytes of the character at the start of `text`, which has one; what is no UTF-8 goes byte by
// byte.
size_t Take(std::string_view text, char32_t* c) {
  const size_t length = DecodeUtf8(text, c);
  if (length == 0) {
    *c = 0;
    return 1;
  }
  return length;
}

}  // namespace

bool IsInvisible(char32_t c) { return c >= 0xAD && IsIn(kInvisible, c); }

bool IsWideBlank(char32_t c) { return c >= 0xA0 && IsIn(kWideBlanks, c); }

bool HasInvisible(std::string_view text) {
  bool first = true;
  char32_t c = 0;
  while (!text.empty()) {
    text.remove_prefix(Take(text, &c));
    if (IsInvisible(c) || (IsWideBlank(c) && (first || text.empty()))) {
      return true;
    }
    first = false;
  }
  return false;
}

std::string WithoutInvisible(std::string_view text) {
  std::string out;
  size_t end = 0;  // of `out`, without the blanks that it ends with
  while (!text.empty()) {
    char32_t c = 0;
    const size_t length = Take(text, &c);
    const bool blank = IsWideBlank(c) || IsAsciiBlank(c);
    if (!IsInvisible(c) && !(blank && out.empty())) {
      out += text.substr(0, length);
      end = blank ? end : out.size();
    }
    text.remove_prefix(length);
  }
  out.resize(end);
  return out;
}

}  // namespace mend::base
