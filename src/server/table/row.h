// One row as it is stored.
#pragma once

#include <string>
#include <vector>

#include "server/pg/postgres.h"

namespace mend::table {

// The values of one row, for the columns that the payload names.
struct Row {
  std::vector<int> columns;  // indexes into shape.columns, ascending
  std::vector<Datum> values;
  std::vector<char> nulls;  // not vector<bool>: bits are slow
  // It lacks what a new row must have, and has a whole key: a stored row is updated, or none.
  bool updates_only = false;
  bool read = false;  // a value of it is what a reading has made of what was brought
  // The fields whose values are in the rescue column, as indexes into what whoever evaluated the
  // row has on record of rescued fields.
  std::vector<int> rescued;
  // Where an older row with the key may be updated: the payload's keys, but those of `rescued`.
  std::vector<std::string> fitting_keys;

  void Clear() {
    columns.clear();
    values.clear();
    nulls.clear();
    updates_only = false;
    read = false;
    rescued.clear();
    fitting_keys.clear();
  }
};

}  // namespace mend::table
