// Payloads that come one by one in one statement, such as COPY into an inbox view, and are stored
// in batches.
#pragma once

#include <string_view>

#include "server/ingest/offer.h"

namespace mend::ingest {

// A statement into the inbox `view` begins. What it brings is kept until a batch is full or the
// statement ends; an error anywhere in it takes all of it back, as it does for any statement.
void BeginInbox(Oid view, Oid target);
// One payload. Blank text is none. Without a statement that has begun it is stored at once.
Counts OfferToInbox(Oid view, Oid target, std::string_view payload);
// The statement ends: what it has brought is stored or kept. The counts of the whole statement.
Counts EndInbox(Oid view);

}  // namespace mend::ingest
