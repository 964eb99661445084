// What follows when payloads were offered, whichever door they came through.
#pragma once

#include "server/ingest/offer.h"

namespace mend::api {

// Notes that the table is fed, and asks for a worker where something was queued that it may heal.
void NoteOffered(Oid target, const ingest::Counts& counts);

}  // namespace mend::api
