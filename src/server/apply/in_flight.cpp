#include "server/apply/in_flight.h"

#include <algorithm>
#include <string>

#include "server/pg/spi.h"
#include "server/pg/work_transaction.h"

namespace mend::apply {
namespace {

// As a literal of int8multirange: rows of one call have one range.
std::string AsRanges(std::vector<int64_t> ids) {
  std::sort(ids.begin(), ids.end());
  std::string ranges = "{";
  for (size_t i = 0; i < ids.size();) {
    const int64_t first = ids[i];
    int64_t last = first;
    while (++i < ids.size() && ids[i] == last + 1) {
      last = ids[i];
    }
    ranges +=
        (ranges.size() > 1 ? ",[" : "[") + std::to_string(first) + "," + std::to_string(last) + "]";
  }
  return ranges + "}";
}

}  // namespace

void NoteInFlight(Oid target, const std::vector<int64_t>& ids) {
  pg::RunPrepared("UPDATE mend.progress SET in_flight = $2::int8multirange WHERE target = $1",
                  {pg::ObjectId(target), pg::Text(AsRanges(ids))});
}

void MarkInFlight(Oid target, const std::vector<int64_t>& ids) {
  pg::WorkTransaction transaction;
  NoteInFlight(target, ids);
  transaction.CommitFlushed();
}

}  // namespace mend::apply
