// A worker's transaction on pg_mend's tables.
#pragma once

#include "server/pg/transaction.h"

namespace mend::pg {

// Locks the extension against being dropped until the end of the transaction; false when it is not
// installed (any more), or its objects are of another release than this library.
bool LockExtension();

// A transaction that begins with the lock on the extension: DROP EXTENSION waits for it and nothing
// deadlocks with it. Throws 42704 when the extension is gone or of another release.
class WorkTransaction : public Transaction {
 public:
  WorkTransaction();
};

}  // namespace mend::pg
