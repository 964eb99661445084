// Keys of one payload, of which there are mostly few.
#pragma once

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace mend::ingest {

// The texts must live until they are cleared.
class KeySet {
 public:
  // False when the key is there already.
  bool Insert(std::string_view key) {
    if (few_.size() < kFew) {
      const bool found = std::find(few_.begin(), few_.end(), key) != few_.end();
      if (!found) {
        few_.push_back(key);
      }
      return !found;
    }
    if (all_.empty()) {
      all_.insert(few_.begin(), few_.end());
    }
    return all_.insert(key).second;
  }

  void Clear() {
    few_.clear();
    if (!all_.empty()) {
      all_.clear();
    }
  }

  // Bytes that stay, about.
  size_t capacity() const { return all_.bucket_count() * sizeof(std::string_view); }

 private:
  static constexpr size_t kFew = 8;

  std::vector<std::string_view> few_;
  std::unordered_set<std::string_view> all_;  // when they are more
};

}  // namespace mend::ingest
