// SIGTERM and SIGINT as a flag and a descriptor that becomes readable.
#pragma once

namespace mend::bridge {

// Call once, before any thread is made. SIGPIPE is ignored: writing says so itself.
void CatchSignals();
bool StopAsked();
int StopDescriptor();

}  // namespace mend::bridge
