#include "core/base/hash.h"

namespace mend::base {

Hash& Hash::Add(std::string_view text) {
  Add(static_cast<uint64_t>(text.size()));
  for (char c : text) Mix(static_cast<unsigned char>(c));
  return *this;
}

Hash& Hash::Add(uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) Mix(static_cast<unsigned char>(number >> shift));
  return *this;
}

void Hash::Mix(unsigned char byte) {
  // Times the prime 2^88 + 0x13b, modulo 2^128.
  constexpr uint64_t kPrimeLow = 0x13b;
  low_ ^= byte;
  const uint64_t bottom = (low_ & 0xffffffff) * kPrimeLow;
  const uint64_t top = (low_ >> 32) * kPrimeLow + (bottom >> 32);
  high_ = high_ * kPrimeLow + (top >> 32) + (low_ << 24);
  low_ = (top << 32) | (bottom & 0xffffffff);
}

std::string Hash::Hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (uint64_t word : {high_, low_}) {
    for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[(word >> shift) & 15];
  }
  return out;
}

}  // namespace mend::base
