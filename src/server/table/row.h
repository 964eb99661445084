// One row as it is stored.
#pragma once

#include <vector>

#include "server/pg/postgres.h"

namespace mend::table {

// The values of one row, for the columns that the payload names.
struct Row {
  std::vector<int> columns;  // indexes into shape.columns, ascending
  std::vector<Datum> values;
  std::vector<char> nulls;  // not vector<bool>: bits are slow

  void Clear() {
    columns.clear();
    values.clear();
    nulls.clear();
  }
};

}  // namespace mend::table
