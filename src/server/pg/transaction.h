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

  void Commit();

 private:
  bool open_ = true;
};

}  // namespace mend::pg
