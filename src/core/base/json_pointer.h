// JSON Pointer (RFC 6901): a place in a JSON value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"

namespace mend::json {

class Pointer {
 public:
  static constexpr size_t kMaxBytes = 1024;

  Pointer() = default;  // the whole value

  // Sets *why, a sentence without its full stop, where the text is no pointer.
  static std::optional<Pointer> Parse(std::string_view text, std::string* why);

  // One reference token, with ~0 and ~1 decoded.
  struct Step {
    std::string key;
    std::optional<uint32_t> index;  // of an array's element; nullopt: it names none
  };
  const std::vector<Step>& steps() const { return steps_; }
  bool IsWhole() const { return steps_.empty(); }
  const std::string& text() const { return text_; }

  // Where a pointer leads.
  struct Place {
    Value value;  // none: there is nothing
    // Then, why there is nothing: a key on the way that its object has twice.
    std::optional<std::string_view> twice = std::nullopt;
  };
  Place Find(Value root) const;

 private:
  std::string text_;
  std::vector<Step> steps_;
};

}  // namespace mend::json
