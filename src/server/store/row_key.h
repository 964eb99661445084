// The primary key of a row as a number: payloads for one row are known by it.
#pragma once

#include <vector>

#include "server/table/target.h"

namespace mend::store {

// Of one target. Payloads for one row have one number; rows that share one are taken for the same.
class RowKey {
 public:
  // Whether the order of payloads for a row is kept: they update it, and its key can be hashed.
  bool IsKept(const table::Target& target);
  // Of the key, as indexes into shape.columns.
  const std::vector<int>& columns() const { return columns_; }
  // Of values in the order of columns(), none of them null.
  int64_t Hash(const std::vector<Datum>& values) const;

 private:
  struct Part {
    FmgrInfo* hash = nullptr;
    Oid collation = InvalidOid;
  };

  void Load(const table::Target& target);

  bool loaded_ = false;
  std::vector<int> columns_;  // none: it is not kept
  std::vector<Part> parts_;
};

}  // namespace mend::store
