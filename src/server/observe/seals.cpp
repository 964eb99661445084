#include "server/observe/seals.h"

#include <string>

#include "server/pg/spi.h"
#include "server/pg/work_transaction.h"

namespace mend::observe {
namespace {

constexpr int64_t kBatch = 10000;  // of mend.seal_events

// Only what is committed may be told to the world.
void Anchor(const pg::Rows& rows) {
  const char* database = rows.text(0, 3).c_str();
  const char* sealed = rows.text(0, 0).c_str();
  const char* place = rows.text(0, 1).c_str();
  const char* head = rows.text(0, 2).c_str();
  pg::Call([&] {
    ereport(
        LOG,
        (errmsg("pg_mend: audit events sealed in database \"%s\": %s, up to position %s, head %s",
                database, sealed, place, head)));
  });
}

// Returns how many events were sealed.
int64_t SealBatch(bool rescan) {
  pg::WorkTransaction transaction;
  const pg::Rows rows =
      pg::RunPrepared("SELECT sealed, place, head, current_database() FROM mend.seal_events($1)",
                      {pg::Bool(rescan)});
  transaction.Commit();
  if (rows.int8(0, 0) > 0) {
    Anchor(rows);
  }
  return rows.int8(0, 0);
}

}  // namespace

void SealEvents(bool rescan) {
  while (SealBatch(rescan) == kBatch) {
    pg::CheckInterrupts();
  }
}

}  // namespace mend::observe
