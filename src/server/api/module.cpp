// What PostgreSQL looks for when it loads the library.
#include "core/base/long_work.h"
#include "server/pg/call.h"
#include "server/pg/settings.h"
#include "server/worker/launcher.h"

extern "C" {
PG_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void);
}

void _PG_init(void) {
  mend::pg::Export([] {
    mend::pg::DefineSettings();
    mend::worker::RegisterLauncher();
    mend::base::SetHost([] { mend::pg::CheckInterrupts(); });
  });
}
