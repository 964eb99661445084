// What must be known of a plain heap table to write into it without the executor, exactly as INSERT
// would.
#pragma once

#include <memory>

#include "server/pg/call.h"
#include "server/table/widening.h"

namespace mend::store {

// Read from the catalogs once, and kept as long as the target and the functions that it names stay
// as they are.
class DirectPlan {
 public:
  // What the table computes. Planned once where planning looks at nothing but built-in functions:
  // what a role may call, or a domain asks for, may be another thing in the next statement.
  struct Computation {
    Expr* expression = nullptr;  // nullptr: null
    bool planned = false;
  };
  struct Check {
    const char* name;
    Computation computation;
  };

  // Whether the executor would do with this relation what a direct write does, and nothing else: a
  // heap table without rules, without triggers on INSERT (but the copier), that is no partition,
  // and whose policies do not concern the current user. Of somebody else's machinery two signs are
  // looked for: an internal trigger on TRUNCATE (Citus marks its tables so), and a planner that
  // plans anything but a plain INSERT. Ask at every call. The relation is open and locked.
  static bool Allows(Relation relation);

  // Throws only what says nothing about the table.
  static std::shared_ptr<const DirectPlan> Make(Relation relation);
  ~DirectPlan();
  DirectPlan(const DirectPlan&) = delete;
  DirectPlan& operator=(const DirectPlan&) = delete;

  // False: the table has something that only the executor does.
  bool usable() const { return usable_; }
  // False once the table has changed, or a function that an expression may name.
  bool IsFresh() const;

  int attribute_count() const { return attribute_count_; }
  Oid TypeOf(int attnum) const { return types_[attnum - 1]; }
  bool NotNull(int attnum) const { return not_null_[attnum - 1]; }
  const char* NameOf(int attnum) const { return names_[attnum - 1]; }
  // What a row gets that does not bring the column.
  const Computation& DefaultOf(int attnum) const { return defaults_[attnum - 1]; }
  // Whether a row must bring the column, since its default may look at the table.
  bool MustBring(int attnum) const { return must_bring_[attnum - 1]; }
  bool MustBringAny() const { return must_bring_any_; }
  int check_count() const { return check_count_; }
  const Check& CheckAt(int i) const { return checks_[i]; }
  bool has_generated() const { return has_generated_; }
  // What the trigger of a column that is widened online would copy.
  int copy_count() const { return copy_count_; }
  const table::ColumnCopy& CopyAt(int i) const { return copies_[i]; }
  bool has_index() const { return has_index_; }
  bool has_unique() const { return has_unique_; }

  // Whether nothing that a row says can raise an error, duplicate keys apart, as long as its index
  // keys are short.
  bool cannot_fail() const { return cannot_fail_; }
  // Columns of variable length that are index keys: together they must stay below kMaxKeyBytes for
  // cannot_fail().
  int key_count() const { return key_count_; }
  int KeyAt(int i) const { return keys_[i]; }
  static constexpr size_t kMaxKeyBytes = 1000;
  // Whether any of these may have a value that no row brings.
  bool ComputesKeys() const {
    for (int i = 0; i < key_count_; ++i) {
      if (has_generated_ || DefaultOf(keys_[i]).expression != nullptr) {
        return true;
      }
    }
    return false;
  }

 private:
  DirectPlan() = default;
  static bool Read(DirectPlan* plan, Relation relation);
  bool ReadColumns(Relation relation);
  bool ReadDefault(Relation relation, int attnum, const FormData_pg_attribute& form);
  void ReadCopies(Relation relation);
  bool ReadChecks(Relation relation);
  bool ReadIndexes(Relation relation);
  bool ReadIndex(Relation index);

  MemoryContext memory_ = nullptr;
  Oid relid_ = InvalidOid;
  uint64_t changes_of_functions_ = 0, changes_of_table_ = 0;  // as counted when it was made
  bool usable_ = false;
  int attribute_count_ = 0;
  Oid* types_ = nullptr;
  bool* not_null_ = nullptr;
  const char** names_ = nullptr;
  Computation* defaults_ = nullptr;
  bool* must_bring_ = nullptr;
  bool must_bring_any_ = false;
  int check_count_ = 0;
  Check* checks_ = nullptr;
  int copy_count_ = 0;
  table::ColumnCopy* copies_ = nullptr;
  bool has_generated_ = false;
  bool has_index_ = false;
  bool has_unique_ = false;
  bool cannot_fail_ = true;
  int key_count_ = 0;
  int* keys_ = nullptr;
};

}  // namespace mend::store
