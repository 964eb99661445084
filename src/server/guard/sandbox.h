// Wall 4: while the ALTER TABLE runs, nothing but the enrolled table may be touched.
#pragma once

#include <vector>

#include "server/citus/shards.h"
#include "server/pg/call.h"

namespace mend::guard {

// What may be done in a sandbox instead of one ALTER TABLE to columns: statements that were
// rendered here, each once, in their order, and to the letter.
struct Permit {
  std::vector<const Node*> statements;  // as parsed; they outlive the sandbox
  Oid sequence = InvalidOid;            // may be altered as well
  bool reads = false;  // may run queries that only read: a foreign key is looked at
};

// From its beginning to its end, in this process: utility statements other than the one ALTER
// TABLE, what that does otherwise than to columns (columns_only.h), but for the type of the
// sequence of an identity column, statements that read or write tables, and access to objects other
// than the family (the table, its partitions and children, their columns, defaults, constraints,
// TOAST tables and indexes) raise 42501. Functions of event triggers are let run: superusers made
// them, and they run as the healer.
//
// The hooks are set when first needed (never at load: Citus refuses to load after them), call the
// hooks that were there before, and do nothing while no sandbox is open. One sandbox at a time.
class Sandbox {
 public:
  // `family` must outlive the sandbox.
  explicit Sandbox(const std::vector<Oid>& family);
  // The same of a table whose `shard` Citus alters in this process once it has altered the table:
  // one query of Citus's worker_apply_shard_ddl_command for that shard, without a text, and in it
  // one ALTER TABLE that does to the shard what was done to the table. The family has the shard,
  // and those of partitions.
  Sandbox(const std::vector<Oid>& family, const citus::Shard& shard);
  // Instead of the ALTER TABLE, what `permit` says; triggers of the family count as its parts. Both
  // must outlive the sandbox.
  Sandbox(const std::vector<Oid>& family, const Permit& permit);
  // Of an enum: so many ALTER TYPE ... ADD VALUE of it, and no ALTER TABLE.
  Sandbox(Oid enum_type, int labels);
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  // For a process that ends inside of one, where no destructor runs: what it writes on its way out
  // is its own.
  static void Abandon();
};

}  // namespace mend::guard
