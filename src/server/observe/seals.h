// The hash chain over mend.events: mend.event_seals.
#pragma once

namespace mend::observe {

// Seals the events that can be seen and are not sealed yet, and anchors the new head of the chain
// in the server's log. For a worker, outside of any transaction. `rescan` also looks for events
// that were never announced, such as those of a restore without triggers. Where another worker is
// at it, nothing is done.
void SealEvents(bool rescan);

}  // namespace mend::observe
