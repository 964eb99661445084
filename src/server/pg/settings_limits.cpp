// The settings that bound what one role may cause.
#include "server/pg/settings_limits.h"

#include "server/pg/postgres.h"

namespace mend::pg {

int max_queue_mb = 10240;
int proposals_per_hour = 1000;

void DefineLimitSettings() {
  DefineCustomIntVariable(
      "mend.max_queue_size",
      "Payloads that wait and dead letters, of all tables of the database, together; one role may "
      "have half of it. Past it a payload that does not fit is an error (53400). 0 is no limit.",
      nullptr, &max_queue_mb, max_queue_mb, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MB, nullptr, nullptr,
      nullptr);
  DefineCustomIntVariable(
      "mend.proposals_per_hour",
      "Patches that one role may propose in an hour, refused ones included. 0 is no limit.",
      nullptr, &proposals_per_hour, proposals_per_hour, 0, INT_MAX, PGC_SUSET, 0, nullptr, nullptr,
      nullptr);
}

}  // namespace mend::pg
