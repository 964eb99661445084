// What ingest tells the worker of rescued values: counted and profiled in memory, written to
// mend.rescues when the transaction commits.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/drift/drift.h"
#include "server/table/row.h"
#include "server/table/target.h"

namespace mend::queue {

// One field of one table whose values were rescued for one reason.
struct RescuedDrift {
  std::string field;
  std::string column;  // empty for a new field
  drift::Kind kind = drift::Kind::NewField;
  drift::Cause cause = drift::Cause::NewField;
  int64_t rows = 0;
  drift::Profile profile;
  std::vector<std::string> samples;  // objects of the field and a value, of different JSON types

  // Allocates nothing.
  void Add(int64_t more_rows, const drift::Profile& more);
};

struct RescuedValue {
  std::string_view field;
  std::string_view column;  // empty for a new field
  drift::Kind kind;
  drift::Cause cause;
  json::Value value;
};

// Of rows that are evaluated, and then stored or not.
class RescueTally {
 public:
  // Profiles a value, and gives the index for Row::rescued. Of a field that is well known few
  // values are profiled, unless their JSON type is another.
  int Add(const table::Target& target, const RescuedValue& rescued);
  // The row was stored.
  void CountStored(const table::Row& row);
  // Leaves what was counted to the current transaction, and is empty again. True when the worker is
  // to learn of it at commit; false when it knows the fields already, and is told of these rows
  // later.
  bool LeaveTo(const std::shared_ptr<const table::Target>& target);

 private:
  struct Tallied {
    RescuedDrift drift;
    bool well_known = false;
    uint64_t values = 0;
    json::Kind last = json::Kind::Null;  // the JSON type of the last value
  };

  std::vector<Tallied> drifts_;
};

// Whether values of the current user may be kept in the target's rescue column: he may insert into
// every column, and where on_conflict is update change every one.
bool MayRescueFor(const table::Target& target);

}  // namespace mend::queue
