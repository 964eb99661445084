#include "core/base/json_pointer.h"

#include "core/base/long_work.h"

namespace mend::json {
namespace {

// 0, or digits without a leading zero, that an array may have as an index.
std::optional<uint32_t> IndexOf(std::string_view key) {
  if (key.empty() || key.size() > 9 || (key.size() > 1 && key[0] == '0')) {
    return std::nullopt;
  }
  uint32_t index = 0;
  for (char c : key) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    index = index * 10 + static_cast<uint32_t>(c - '0');
  }
  return index;
}

}  // namespace

std::optional<Pointer> Pointer::Parse(std::string_view text, std::string* why) {
  Pointer pointer;
  pointer.text_ = text;
  if (text.size() > kMaxBytes) {
    *why = "It is longer than " + std::to_string(kMaxBytes) + " bytes";
    return std::nullopt;
  }
  if (!text.empty() && text[0] != '/') {
    *why = "It does not begin with a slash";
    return std::nullopt;
  }
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '/') {
      pointer.steps_.emplace_back();
      continue;
    }
    std::string& key = pointer.steps_.back().key;
    if (text[at] != '~') {
      key += text[at];
      continue;
    }
    ++at;
    if (at == text.size() || (text[at] != '0' && text[at] != '1')) {
      *why = "A tilde in it is followed by neither 0 nor 1";
      return std::nullopt;
    }
    key += text[at] == '0' ? '~' : '/';
  }
  for (Step& step : pointer.steps_) {
    step.index = IndexOf(step.key);
  }
  return pointer;
}

Pointer::Place Pointer::Find(Value value) const {
  base::LongWork work;
  for (const Step& step : steps_) {
    Value found;
    if (value.kind() == Kind::Object) {
      for (Value key = value.First(); key; key = value.After(key)) {
        work.Took();
        if (key.text() != step.key) {
          continue;
        }
        if (found) {
          return {Value(), std::string_view(step.key)};
        }
        found = value.ValueOf(key);
      }
    } else if (value.kind() == Kind::Array && step.index && *step.index < value.token().size) {
      found = value.First();
      for (uint32_t i = 0; i < *step.index; ++i) {
        work.Took();
        found = value.After(found);
      }
    }
    if (!found) {
      return {};
    }
    value = found;
  }
  return {value};
}

}  // namespace mend::json
