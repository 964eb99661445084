// The places of keys in payloads: most payloads have the keys of the one before, in its order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/table/target.h"

namespace mend::ingest {

class KeyPlaces {
 public:
  explicit KeyPlaces(const table::Target& target) : target_(target) {}

  // What a key means that comes at a place of the payload at hand.
  table::Resolution Resolve(uint32_t place, std::string_view key) {
    if (place < places_.size() && places_[place].known && places_[place].key == key) {
      return places_[place].resolution;
    }
    ++layout_;
    const table::Resolution resolution = target_.Resolve(key);
    if (place < kMaxPlaces) {
      if (place >= places_.size()) {
        places_.resize(place + 1);
      }
      const bool fits = key.size() <= kMaxRememberedKeyBytes;
      places_[place] = {fits, fits ? std::string(key) : std::string(), resolution};
    }
    return resolution;
  }
  // What it meant there last time; nullptr: that is not known.
  const table::Resolution* LastAt(uint32_t place) const {
    return place < places_.size() && places_[place].known ? &places_[place].resolution : nullptr;
  }

  // Of a payload that came as text: its keys' tokens, and at the end how many keys it has.
  void BeginTokens() { tokens_.clear(); }
  void AddToken(uint32_t token) {
    if (tokens_.size() < kMaxPlaces) {
      tokens_.push_back(token);
    }
  }
  void EndTokens(uint32_t count) {
    if (count != count_) {
      count_ = count;
      ++layout_;
    }
  }
  uint32_t count() const { return count_; }
  uint32_t TokenAt(uint32_t place) const { return tokens_[place]; }
  // Another number when the keys are not those of the payload before, in the same order.
  uint64_t layout() const { return layout_; }

 private:
  static constexpr size_t kMaxPlaces = 256;
  static constexpr size_t kMaxRememberedKeyBytes = 128;

  // Which key came at a place last time, and what it meant.
  struct Place {
    bool known = false;
    std::string key;
    table::Resolution resolution;
  };

  const table::Target& target_;
  std::vector<Place> places_;
  std::vector<uint32_t> tokens_;
  uint32_t count_ = 0;
  uint64_t layout_ = 0;
};

// Which keys of a payload that another evaluator has just seen have a say about some columns, and
// which of what is required no key means.
class WatchedKeys {
 public:
  bool KnowsWhatToWatchIn(const KeyPlaces& other) const {
    return other_ == &other && layout_ == other.layout();
  }
  // Remembers what had a say in the payload that both have just seen. `columns`: the flagged ones
  // have. `key`: the columns of the primary key, or nullptr.
  void Learn(const table::Target& target, const KeyPlaces& own, const KeyPlaces& other,
             const std::vector<char>& columns, const std::vector<int>* key);

  // By place.
  const std::vector<std::pair<uint32_t, table::Resolution>>& keys() const { return keys_; }
  const std::vector<int>& absent() const { return absent_; }
  // Whether the keys mean all columns of the primary key.
  bool whole_key() const { return whole_key_; }

 private:
  const KeyPlaces* other_ = nullptr;
  uint64_t layout_ = 0;
  std::vector<std::pair<uint32_t, table::Resolution>> keys_;
  std::vector<int> absent_;
  bool whole_key_ = false;
};

}  // namespace mend::ingest
