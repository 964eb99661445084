// mend.queue as PostgreSQL holds it: deleted from in place, without the executor.
#pragma once

#include <vector>

#include "server/pg/unwinding.h"
#include "server/queue/queue_reader.h"

namespace mend::queue {

// A relation of schema mend, by its name; an error where there is none. For code inside pg::Call.
Oid OidInMend(const char* name);

// The table, open and locked for as long as this object lives; an error's roll back closes it.
class QueueTable {
 public:
  explicit QueueTable(LOCKMODE lock);
  ~QueueTable();
  QueueTable(const QueueTable&) = delete;
  QueueTable& operator=(const QueueTable&) = delete;

  // Whether DELETE would do nothing but delete: nobody has hung a trigger or the like on the table.
  bool IsPlain() const;
  // Deletes rows of IsPlain() where they were read, maybe by an earlier transaction, and waits for
  // nobody. False, with some deleted, where one has changed since or somebody has it locked: roll
  // back.
  bool DeleteInPlace(const std::vector<const QueuedRow*>& rows);

  Relation get() const { return relation_; }
  // The number of a column, whatever upgrades have done to the table.
  AttrNumber NumberOf(const char* column) const;

 private:
  pg::Unwinding unwinding_;
  LOCKMODE lock_;
  Relation relation_ = nullptr;
};

}  // namespace mend::queue
