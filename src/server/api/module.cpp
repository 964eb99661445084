// What PostgreSQL looks for when it loads the library.
#include "core/base/long_work.h"
#include "server/pg/call.h"
#include "server/pg/settings.h"
#include "server/table/widening.h"
#include "server/worker/launcher.h"
#include "server/worker/wake.h"

extern "C" {
PG_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void);
}

void _PG_init(void) {
  mend::pg::Export([] {
    mend::pg::DefineSettings();
    mend::worker::RegisterLauncher();
    mend::table::on_traffic = mend::worker::WakeIfNobodyLooks;
    mend::base::SetHost([] { mend::pg::CheckInterrupts(); });
  });
}
