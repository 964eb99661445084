// The life of a payload in the caller's backend: evaluated, stored, or kept.
#pragma once

#include <cstdint>
#include <string_view>

#include "server/pg/call.h"

namespace mend::ingest {

struct Counts {
  int64_t inserted = 0;
  int64_t queued = 0;
  int64_t dead_lettered = 0;
  int64_t rescued = 0;    // of the inserted: rows with values in the rescue column
  bool has_news = false;  // the worker does not know yet of what was rescued
};

// One payload. Exactly one of the counts is 1. Throws what INSERT would raise for the caller's
// rights and the state of the session, and 55000 for a table that is not enrolled.
Counts InsertText(Oid relid, std::string_view payload);
Counts InsertJsonb(Oid relid, Jsonb* payload);

// Many payloads, in order, in batches of flat memory. Text whose first non-blank character is [ is
// an array, else NDJSON.
Counts LoadText(Oid relid, std::string_view payloads);
// A value that is no array is one payload.
Counts LoadJson(Oid relid, std::string_view payloads);
Counts LoadJsonb(Oid relid, Jsonb* payloads);

}  // namespace mend::ingest
