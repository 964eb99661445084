// DROP EXTENSION takes mend.queue along, with payloads whose callers were told that they are kept.
#pragma once

namespace mend::queue {

// From now on this session refuses to drop mend.queue while it has rows, however the statement
// comes to drop it, and warns of dead letters that go. Called at the start of every statement that
// may.
void GuardDrop();

}  // namespace mend::queue
