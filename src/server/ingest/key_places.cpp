#include "server/ingest/key_places.h"

#include <algorithm>

namespace mend::ingest {

void WatchedKeys::Learn(const table::Target& target, const KeyPlaces& own, const KeyPlaces& other,
                        const std::vector<char>& columns, const std::vector<int>* key) {
  other_ = nullptr;
  keys_.clear();
  absent_.clear();
  std::vector<char> taken(target.shape().columns.size());
  for (uint32_t place = 0; place < own.count(); ++place) {
    const table::Resolution* resolution = own.LastAt(place);
    if (resolution == nullptr) {
      return;
    }
    if (resolution->kind == table::Resolution::Kind::Column) {
      const auto column = static_cast<size_t>(resolution->column);
      if (taken[column] != 0) {
        return;
      }
      taken[column] = 1;
      if (columns[column] == 0) {
        continue;
      }
    }
    if (resolution->kind != table::Resolution::Kind::Ignored) {
      keys_.emplace_back(place, *resolution);
    }
  }
  for (int column : target.required()) {
    if (taken[static_cast<size_t>(column)] == 0) {
      absent_.push_back(column);
    }
  }
  whole_key_ = key != nullptr && std::all_of(key->begin(), key->end(), [&](int column) {
                 return taken[static_cast<size_t>(column)] != 0;
               });
  other_ = &other;
  layout_ = other.layout();
}

}  // namespace mend::ingest
