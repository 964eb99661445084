// Transactions of a worker, by scope.
#pragma once

#include "server/pg/call.h"

namespace mend::pg {

// Starts a transaction with a snapshot; rolls it back at the end of the scope unless committed.
class Transaction {
 public:
  Transaction();
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // From here on as if a client had sent BEGIN: who acts on other servers on our behalf does so in
  // transactions that end with ours, instead of a commit a statement.
  void BecomeBlock();

  void Commit();
  // The same without waiting for the disk: a crash may undo it, though never without all that was
  // committed later.
  void CommitUnflushed();
  // The same as Commit(), and on disk whatever synchronous_commit says: user code can set it.
  void CommitFlushed();

 private:
  bool open_ = true;
  bool block_ = false;
};

// Waits until a transaction that is visible has told everybody what it changed in the catalogs:
// COMMIT becomes visible a moment before, and keeps the lock on its number until then. Takes note
// of what it told.
void AwaitItsMessages(FullTransactionId transaction);
// The same for a number without its epoch, as xmin is, that is taken to be of the last two
// milliards.
void AwaitItsMessages(TransactionId transaction);

}  // namespace mend::pg
