// A relation that is open by scope.
#pragma once

#include "server/pg/call.h"
#include "server/pg/unwinding.h"

namespace mend::store {

// Open, and locked as INSERT locks it, for as long as this object lives; an error's roll back
// closes it. Null when it is gone.
class OpenRelation {
 public:
  explicit OpenRelation(Oid relid) {
    relation_ = pg::Call([&] { return try_table_open(relid, RowExclusiveLock); });
  }
  ~OpenRelation() {
    if (relation_ != nullptr && !unwinding_) {
      table_close(relation_, NoLock);
    }
  }
  OpenRelation(const OpenRelation&) = delete;
  OpenRelation& operator=(const OpenRelation&) = delete;

  Relation get() const { return relation_; }

 private:
  pg::Unwinding unwinding_;
  Relation relation_;
};

}  // namespace mend::store
