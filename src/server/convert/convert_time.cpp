// ISO 8601 strings to dates and times.
#include "core/plan/typmod.h"
#include "server/convert/convert.h"

namespace mend::convert {
namespace {

pg_tm BrokenDown(const IsoTime& time) {
  pg_tm tm = {};
  tm.tm_year = time.year;
  tm.tm_mon = time.month;
  tm.tm_mday = time.day;
  tm.tm_hour = time.hour;
  tm.tm_min = time.minute;
  tm.tm_sec = time.second;
  tm.tm_isdst = -1;
  return tm;
}

pg_tz* Zone(const std::string& name) {
  return pg::Call([&] { return pg_tzset(name.c_str()); });
}

// What kind of abbreviation `lower` is: TZ, DTZ, DYNTZ, or another.
int DecodeAbbreviation(const char* lower, int* seconds_east, pg_tz** zone) {
#if PG_VERSION_NUM >= 160000
  int kind = UNKNOWN_FIELD;
  DateTimeErrorExtra extra;
  return DecodeTimezoneAbbrev(0, lower, &kind, seconds_east, zone, &extra) == 0 ? kind
                                                                                : UNKNOWN_FIELD;
#else
  return DecodeTimezoneAbbrev(0, const_cast<char*>(lower), seconds_east, zone);
#endif
}

// Such as "mon5": to PostgreSQL a weekday and a number, though POSIX would let any word name a
// zone.
bool IsKeywordWithNumber(const char* lower) {
  char word[TZ_STRLEN_MAX + 1] = {};
  const size_t letters = strspn(lower, "abcdefghijklmnopqrstuvwxyz");
  if (lower[letters] != '+' && (lower[letters] < '0' || lower[letters] > '9')) {
    return false;
  }
  memcpy(word, lower, letters);
  int value = 0;
  return DecodeSpecial(0, word, &value) != UNKNOWN_FIELD;
}

// Seconds west of UTC of the zone or abbreviation `name` at `tm`; false when there is none.
bool LookUpZone(std::string_view name, pg_tm* tm, int* seconds_west) {
  char word[TZ_STRLEN_MAX + 1] = {};
  char lower[TZ_STRLEN_MAX + 1] = {};
  if (name.size() > TZ_STRLEN_MAX) {
    return false;
  }
  for (size_t i = 0; i < name.size(); ++i) {
    word[i] = name[i];
    lower[i] = static_cast<char>(pg_tolower(static_cast<unsigned char>(name[i])));
  }
  return pg::Call([&] {
    int seconds_east = 0;
    pg_tz* zone = nullptr;
    switch (DecodeAbbreviation(lower, &seconds_east, &zone)) {
      case TZ:
      case DTZ: *seconds_west = -seconds_east; return true;
      case DYNTZ: *seconds_west = DetermineTimeZoneAbbrevOffset(tm, lower, zone); return true;
      default: break;
    }
    zone = IsKeywordWithNumber(lower) ? nullptr : pg_tzset(word);
    if (zone == nullptr) {
      return false;
    }
    *seconds_west = DetermineTimeZoneOffset(tm, zone);
    return true;
  });
}

// Which infinity a value is, as PostgreSQL writes it: 1, -1, or 0 for none.
int InfinityOf(json::Value value) {
  if (value.kind() != json::Kind::String) {
    return 0;
  }
  return value.text() == "infinity" ? 1 : value.text() == "-infinity" ? -1 : 0;
}

constexpr const char* kDropsOffset = "the offset would be dropped";
constexpr const char* kNoOffset = "without an offset it depends on the time zone of the session";

}  // namespace

// What every time type asks of its text.
bool Converter::ReadTime(const TypeInfo& type, int32_t typmod, json::Value value, IsoTime* time) {
  if (value.kind() != json::Kind::String) {
    return BadSyntax(type, value, "22007");
  }
  const std::optional<IsoTime> parsed = ParseIso(value.text());
  if (!parsed) {
    return BadSyntax(type, value, "22007");
  }
  if (!parsed->in_range) {
    return Fail(drift::Kind::TypeConflict, drift::Cause::NoSuchTime, "22008",
                "date/time field value out of range: " + Quote(value));
  }
  const bool wants_date = type.type_class == TypeClass::Date ||
                          type.type_class == TypeClass::Timestamp ||
                          type.type_class == TypeClass::TimestampTz;
  if (parsed->has_date != wants_date) {
    return BadSyntax(type, value, "22007");
  }
  if (parsed->leap_second) {
    return Lossy(type, value, drift::Cause::LeapSecond, "there is no second 60");
  }
  const int precision = plan::TimePrecision(typmod);
  if (precision < plan::kMicroseconds && parsed->fraction_digits > precision) {
    return Lossy(type, value, drift::Cause::TooPrecise,
                 "it has digits past the precision of the column");
  }
  *time = *parsed;
  return true;
}

bool Converter::ToDate(const TypeInfo& type, json::Value value, Datum* out) {
  if (const int infinite = InfinityOf(value)) {
    *out = DateADTGetDatum(infinite > 0 ? DATEVAL_NOEND : DATEVAL_NOBEGIN);
    return true;
  }
  IsoTime time;
  if (!ReadTime(type, -1, value, &time)) {
    return false;
  }
  if (time.has_time) {
    return Lossy(type, value, drift::Cause::HasTime, "the time of day would be dropped");
  }
  const int days = IS_VALID_JULIAN(time.year, time.month, time.day)
                       ? date2j(time.year, time.month, time.day) - POSTGRES_EPOCH_JDATE
                       : DATE_END_JULIAN;
  if (!IS_VALID_DATE(days)) {
    return Fail(drift::Kind::OutOfRange, drift::Cause::OutOfRange, "22008",
                "date out of range: " + Quote(value));
  }
  *out = DateADTGetDatum(days);
  return true;
}

bool Converter::ToTime(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  IsoTime time;
  if (!ReadTime(type, typmod, value, &time)) {
    return false;
  }
  if (time.zone == IsoTime::Zone::Name) {
    return BadSyntax(type, value, "22007");  // its offset depends on a date
  }
  const TimeADT since_midnight =
      ((time.hour * MINS_PER_HOUR + time.minute) * SECS_PER_MINUTE + time.second) * USECS_PER_SEC +
      time.microsecond;
  const bool has_zone = time.zone == IsoTime::Zone::Offset;
  if (type.type_class == TypeClass::Time) {
    *out = TimeADTGetDatum(since_midnight);
    return !has_zone || Lossy(type, value, drift::Cause::HasOffset, kDropsOffset);
  }
  if (!has_zone) {
    return Lossy(type, value, drift::Cause::NoOffset, kNoOffset);
  }
  *out = pg::Call([&] {
    auto* timetz = static_cast<TimeTzADT*>(palloc(sizeof(TimeTzADT)));
    timetz->time = since_midnight;
    timetz->zone = -time.offset;
    return TimeTzADTPGetDatum(timetz);
  });
  return true;
}

// Seconds west of UTC that the text or the enrolment says.
bool Converter::OffsetOf(const TypeInfo& type, json::Value value, const IsoTime& time,
                         int* seconds_west) {
  pg_tm tm = BrokenDown(time);
  switch (time.zone) {
    case IsoTime::Zone::Offset: *seconds_west = -time.offset; return true;
    case IsoTime::Zone::Name:
      if (LookUpZone(time.zone_name, &tm, seconds_west)) {
        return true;
      }
      BadSyntax(type, value, "22007");
      fault_.cause = drift::Cause::UnknownZone;
      return false;
    case IsoTime::Zone::None: break;
  }
  pg_tz* zone = naive_zone_ && !knows_zone_ ? Zone(*naive_zone_) : nullptr;
  if (zone == nullptr) {
    return Lossy(type, value, drift::Cause::NoOffset, kNoOffset);
  }
  *seconds_west = pg::Call([&] { return DetermineTimeZoneOffset(&tm, zone); });
  return true;
}

bool Converter::ToTimestamp(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  if (const int infinite = InfinityOf(value)) {
    *out = TimestampGetDatum(infinite > 0 ? DT_NOEND : DT_NOBEGIN);
    return true;
  }
  IsoTime time;
  if (!ReadTime(type, typmod, value, &time)) {
    return false;
  }
  pg_tm tm = BrokenDown(time);
  Timestamp result = 0;
  bool stored = true;
  if (type.type_class == TypeClass::Timestamp && time.zone == IsoTime::Zone::None) {
    stored = tm2timestamp(&tm, time.microsecond, nullptr, &result) == 0;
  } else {
    int seconds_west = 0;
    if (!OffsetOf(type, value, time, &seconds_west)) {
      return false;
    }
    stored = tm2timestamp(&tm, time.microsecond, &seconds_west, &result) == 0;
    if (type.type_class == TypeClass::Timestamp) {
      pg_tz* zone = naive_zone_ ? Zone(*naive_zone_) : nullptr;
      if (zone == nullptr) {
        return Lossy(type, value, drift::Cause::HasOffset, kDropsOffset);
      }
      fsec_t fraction = 0;
      stored = stored && timestamp2tm(result, &seconds_west, &tm, &fraction, nullptr, zone) == 0 &&
               tm2timestamp(&tm, fraction, nullptr, &result) == 0;
    }
  }
  if (!stored) {
    return Fail(drift::Kind::OutOfRange, drift::Cause::OutOfRange, "22008",
                "timestamp out of range: " + Quote(value));
  }
  *out = TimestampGetDatum(result);
  return true;
}

}  // namespace mend::convert
