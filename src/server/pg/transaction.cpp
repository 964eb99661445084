#include "server/pg/transaction.h"

namespace mend::pg {

Transaction::Transaction() {
  Call([] {
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
  });
}

Transaction::~Transaction() {
  if (open_) {
    // Cannot fail short of PANIC; a destructor must not throw.
    HOLD_INTERRUPTS();
    AbortCurrentTransaction();
    RESUME_INTERRUPTS();
  }
}

void Transaction::Commit() {
  Call([] {
    if (ActiveSnapshotSet()) {
      PopActiveSnapshot();
    }
    CommitTransactionCommand();
    // Else autovacuum never learns what a background worker has written.
    pgstat_report_stat(false);
  });
  open_ = false;
}

}  // namespace mend::pg
