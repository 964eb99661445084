#include "server/ingest/unknown_keys.h"

#include "core/plan/identifier.h"
#include "server/convert/fault.h"

namespace mend::ingest {

void UnknownKeys::Clear() {
  keys_.Clear();
  first_ = {};
  spelled_.clear();
  new_fields_ = 0;
}

std::optional<std::string> UnknownKeys::SpelledAlike(std::string_view key) {
  if (first_.empty()) {
    first_ = key;
    return std::nullopt;
  }
  if (spelled_.empty()) {
    spelled_.emplace(plan::Normalise(first_), first_);
  }
  std::string spelling = plan::Normalise(key);
  if (spelling.find_first_not_of('_') == std::string::npos) {
    return std::nullopt;
  }
  const auto [found, fresh] = spelled_.emplace(std::move(spelling), key);
  return fresh ? std::nullopt : std::optional<std::string>(found->second);
}

const std::string& UnknownKeys::MessageOf(std::string_view key, const std::string& table) {
  if (key != last_key_ || last_message_.empty()) {
    last_key_ = key;
    last_message_ =
        "column " + convert::Quote(key) + " of relation \"" + table + "\" does not exist";
  }
  return last_message_;
}

}  // namespace mend::ingest
