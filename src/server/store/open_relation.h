// A relation that is open by scope.
#pragma once

#include <exception>

#include "server/pg/call.h"

namespace mend::store {

// Open, and locked as INSERT locks it, for as long as this object lives; an error's roll back
// closes it. Null when it is gone.
class OpenRelation {
 public:
  explicit OpenRelation(Oid relid) : exceptions_(std::uncaught_exceptions()) {
    relation_ = pg::Call([&] { return try_table_open(relid, RowExclusiveLock); });
  }
  ~OpenRelation() {
    if (relation_ != nullptr && std::uncaught_exceptions() == exceptions_) {
      table_close(relation_, NoLock);
    }
  }
  OpenRelation(const OpenRelation&) = delete;
  OpenRelation& operator=(const OpenRelation&) = delete;

  Relation get() const { return relation_; }

 private:
  int exceptions_;
  Relation relation_;
};

}  // namespace mend::store
