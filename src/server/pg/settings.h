// The settings mend.*, all PGC_SUSET. Read them through these variables.
#pragma once

#include <cstdint>

namespace mend::pg {

extern char* planners;          // names in the order in which they are asked
extern int lock_timeout_ms;     // how long a heal waits for its lock
extern int max_lock_hold_ms;    // how long a heal may hold it
extern int max_rewrite_mb;      // tables larger than this are not rewritten without approval
extern int batch_size;          // rows a write or replay batch
extern int batch_timeout_ms;    // how long the table's own code may take with one
extern int max_workers;         // workers a database
extern int max_server_workers;  // of all databases; -1: a third of max_worker_processes
extern int idle_exit_s;         // seconds without work before a worker leaves
extern int patches_per_hour;    // a table
extern int column_cooldown_s;   // between two changes of one column's type; 0: off
extern int promote_pace;        // rescued rows moved in a second; 0: no limit
extern double online_pace;      // share of the time that a widening online may work
extern int max_columns;         // a table may grow to by itself

// Whether `name` stands in mend.planners.
bool PlannerEnabled(const char* name);
// Whether both do, and `first` comes first.
bool PlannerPrecedes(const char* first, const char* second);
// Whether messages of a channel (webhook, lineage) are left in mend.outbox for another program.
bool IsTakenByOthers(const char* channel);

void DefineSettings();

}  // namespace mend::pg
