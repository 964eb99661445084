// Reads one JSON value by one reading, into the form in which its column takes it plainly.
#pragma once

#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/reading/reading.h"

namespace mend::reading {

// A time by the clock on the wall, in the proleptic Gregorian calendar.
struct LocalTime {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
};

// How far east of UTC clocks are in a zone at a time by those clocks; false where that time does
// not exist there, exists twice, or the zone is not known.
using ZoneOffset = bool (*)(const std::string& zone, const LocalTime& time, int* seconds_east);

// Nothing is rounded and nothing guessed: a value is claimed if its text is of the reading's form
// and means exactly the value given, and not at all otherwise. Keeps its buffers between values.
class Reader {
 public:
  explicit Reader(ZoneOffset zone_offset) : zone_offset_(zone_offset) {}

  // What a column of the family takes plainly in the place of `value`: null, a boolean, a number, a
  // string of ISO 8601 or of bytes as \x..., or JSON. An empty Value: the reading does not claim
  // it. Good until the next call. `all` are the readings of the column: the time zone that times
  // without an offset are in is found there. `utc_clock`: points in time go to a timestamp without
  // time zone as what the clock says in UTC.
  json::Value Read(const Reading& reading, const Readings& all, Family family, bool utc_clock,
                   json::Value value);

  size_t capacity() const { return text_.capacity() + source_.capacity() + document_.capacity(); }

 private:
  json::Value Give(json::Kind kind, std::string_view text = {});
  json::Value ReadNull(const Reading& reading, json::Value value);
  json::Value ReadBoolean(const Reading& reading, json::Value value);
  json::Value ReadEpoch(Kind kind, Family family, bool utc_clock, json::Value value);
  json::Value ReadNumber(Kind kind, json::Value value);
  json::Value ReadDate(Kind kind, const Readings& all, Family family, json::Value value);
  json::Value ReadBytes(Kind kind, json::Value value);
  json::Value ReadParsed(json::Value value);
  json::Value ReadExtended(Family family, bool utc_clock, json::Value value);
  json::Value GiveInstant(int64_t microseconds, Family family, bool utc_clock);
  json::Value GiveBinary(Family family, json::Value binary);

  ZoneOffset zone_offset_;
  json::Document document_;
  std::string text_;    // what document_ points into
  std::string source_;  // what it was parsed from
};

}  // namespace mend::reading
