// A stable 128-bit hash: the same on every platform and in every version.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mend::base {

// FNV-1a with 128 bits. Recognises; does not protect: an adversary can make two texts collide.
class Hash {
 public:
  // Parts are length-prefixed: "ab", "c" and "a", "bc" differ.
  Hash& Add(std::string_view text);
  Hash& Add(uint64_t number);

  std::string Hex() const;  // 32 digits

 private:
  void Mix(unsigned char byte);

  uint64_t high_ = 0x6c62272e07bb0142;
  uint64_t low_ = 0x62b821756295c58d;
};

}  // namespace mend::base
