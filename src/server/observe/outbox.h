// Sends what mend.outbox holds: NOTIFY on channel mend, webhook and OpenLineage messages.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace mend::observe {

// Sends what is due, for a few seconds a URL at most; for a worker, outside of any transaction:
// none is held while a server is waited for. `hurried` is asked meanwhile: once true, a request
// under way is given a second more, and no other is begun. What cannot be sent is tried again after
// a growing pause, which is kept in the table, and given up after twelve tries: then there is an
// event. Returns the milliseconds until there is something to send again; nullopt: nothing waits.
std::optional<int64_t> SendMessages(const std::function<bool()>& hurried);

// Leaves word, in the open transaction, that a heal with this patch starts, where OpenLineage is
// told of it.
void NoteRun(int64_t patch_id);

}  // namespace mend::observe
