// When preloaded: starts a worker in every database after a restart, on a standby after promotion.
#pragma once

namespace mend::worker {

// Called from _PG_init; does nothing unless in shared_preload_libraries.
void RegisterLauncher();

}  // namespace mend::worker
