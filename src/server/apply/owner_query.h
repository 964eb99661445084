// Queries on a landing table that is looked at before a revert, as its owner.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "server/pg/call.h"

namespace mend::apply {

[[noreturn]] void RefuseRevert(int64_t patch_id, const std::string& why, const std::string& hint);

// Rows affected or found, or the error that concerns the values. To plan a query is to run what
// the table's owner wrote: constant parts of index expressions, casts, partition keys. It must be
// the owner's own rights that they run with. A row that a policy hides would be lost: such a query
// fails, and the revert of the patch is refused.
base::Result<uint64_t> RunAsOwner(int64_t patch_id, Oid relid, const std::string& sql);

// Policies that bind the owner as well are loosened while we look: the lock that we hold keeps
// others from seeing it.
class LoosePolicies {
 public:
  explicit LoosePolicies(Oid relid);
  // An error on the way there rolls everything back.
  void Restore();

 private:
  // On the nodes one role alters a table in a transaction.
  void Alter(const char* how);

  bool forced_;
  bool managed_;
  Oid owner_;
  std::string table_;
};

}  // namespace mend::apply
