// Keys of the payload at hand that mean no column.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/ingest/key_set.h"

namespace mend::ingest {

class UnknownKeys {
 public:
  void Clear();
  // False when the payload has the key already.
  bool Insert(std::string_view key) { return keys_.Insert(key); }
  // Another key of the payload without a column, for which the same column would be added.
  std::optional<std::string> SpelledAlike(std::string_view key);
  // One of them is a new field: how many these are by now.
  int CountNew() { return ++new_fields_; }
  int new_fields() const { return new_fields_; }
  // That the table has no such column.
  const std::string& MessageOf(std::string_view key, const std::string& table);
  size_t capacity() const { return keys_.capacity(); }

 private:
  KeySet keys_;
  std::string_view first_;
  std::unordered_map<std::string, std::string_view> spelled_;  // keys by their usual spelling
  int new_fields_ = 0;
  std::string last_key_, last_message_;  // of the last new field, which mostly comes again
};

}  // namespace mend::ingest
