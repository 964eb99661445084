// Rows into a plain heap table, without the executor.
#pragma once

#include <vector>

#include "server/store/direct_plan.h"
#include "server/table/row.h"
#include "server/table/target.h"

namespace mend::store {

// What a row was found to be before it was written.
struct Verdict {
  enum class Kind : uint8_t {
    None,  // stored, or not looked at yet
    NotNull,
    Check,
    Duplicate,
  } kind = Kind::None;
  const char* name = nullptr;  // of the column, the constraint or the index; in memory of the batch
};

struct DirectJob {
  const table::Target* target = nullptr;
  const DirectPlan* plan = nullptr;
  table::Row* rows = nullptr;
  Verdict* verdicts = nullptr;  // one a row, given and filled: rows with one are passed over
  const bool* skip = nullptr;   // one a row: known not to fit
  bool look_first = false;      // look for duplicate keys before each row, and insert speculatively
  bool ignore_duplicates = false;
  // When an error is raised: the row it is about, and whether that is known for certain.
  size_t at = 0;
  bool exact = true;
};

// The rights that INSERT asks for, for exactly the columns that the rows bring. Raises like INSERT.
void CheckRights(Relation relation, const table::Target& target,
                 const std::vector<table::Row>& rows);

// Writes rows [first, end) of the job, with their index entries. Raises what says nothing about a
// row, and whatever the plan's cannot_fail() leaves open; with unique indexes and without
// look_first, duplicate keys too.
void WriteDirectly(Relation relation, DirectJob* job, size_t first, size_t end);

}  // namespace mend::store
