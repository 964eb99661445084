#include "core/base/base64.h"

#include <cstdint>

namespace mend::base {
namespace {

constexpr std::string_view kUrlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// The six bits that a character stands for; -1 when it stands for none.
int Sextet(char c) {
  if (c == '+') c = '-';
  if (c == '/') c = '_';
  const size_t at = kUrlAlphabet.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

std::string EncodeBase64Url(std::string_view bytes) {
  std::string out;
  uint32_t bits = 0;
  int pending = 0;
  for (const char c : bytes) {
    bits = (bits << 8 | static_cast<unsigned char>(c)) & 0xFFFFFF;
    for (pending += 8; pending >= 6; pending -= 6) {
      out += kUrlAlphabet[bits >> (pending - 6) & 0x3F];
    }
  }
  if (pending > 0) out += kUrlAlphabet[bits << (6 - pending) & 0x3F];
  return out;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  uint32_t bits = 0;
  int pending = 0;
  for (const char c : text) {
    const int sextet = Sextet(c);
    if (sextet < 0) return std::nullopt;
    bits = (bits << 6 | static_cast<uint32_t>(sextet)) & 0xFFFFFF;
    pending += 6;
    if (pending < 8) continue;
    pending -= 8;
    out += static_cast<char>(bits >> pending & 0xFF);
  }
  return out;
}

}  // namespace mend::base
