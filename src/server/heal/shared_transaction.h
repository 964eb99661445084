// The transaction that the steps of a heal round share.
#pragma once

#include <optional>

#include "server/pg/deadline.h"
#include "server/pg/work_transaction.h"

namespace mend::heal {

// Most heals are short, and beginning and flushing a transaction for each step would take most of
// their time: a step joins the transaction that the one before it has left open. What takes long is
// committed between steps, so that nothing is held for long. Rolled back when it goes out of scope
// open.
class SharedTransaction {
 public:
  // Before a step writes or reads: begins a transaction unless one is open. Throws 42704 when the
  // extension is gone.
  void Join();
  // After a step: leaves what is young to the next one, and commits the rest.
  void CommitUnlessYoung();
  // Before anything is waited for, and before what must be a transaction of its own. Nothing when
  // none is open.
  void Commit();
  // The same, and on disk in any case: before rows are touched that it says are in flight.
  void CommitFlushed();
  // The same for what is done again when a crash undoes it.
  void CommitUnflushed();
  bool open() const { return transaction_.has_value(); }

 private:
  std::optional<pg::WorkTransaction> transaction_;
  std::optional<pg::Stopwatch> age_;
};

}  // namespace mend::heal
