// Values that a column's readings make something of which its type takes.
#include <algorithm>

#include "server/convert/convert.h"

namespace mend::convert {
namespace {

constexpr pg_time_t kSecondsPerDay = 86400;

// The last zone that was asked for: PostgreSQL keeps what it has loaded.
pg_tz* ZoneOf(const std::string& name) {
  static auto& last_name = *new std::string();
  static pg_tz* last = nullptr;
  if (last == nullptr || name != last_name) {
    last = pg::Call([&] { return pg_tzset(name.c_str()); });
    last_name = name;
  }
  return last;
}

// The one offset that the zone has from a day before that time to a day after it, if it has but
// one.
bool SteadyOffset(pg_tz* zone, pg_time_t as_utc, int* seconds_east) {
  const pg_time_t before = as_utc - kSecondsPerDay;
  long offset = 0, later = 0;
  int summer = 0, summer_later = 0;
  pg_time_t boundary = 0;
  const int found =
      pg_next_dst_boundary(&before, &offset, &summer, &boundary, &later, &summer_later, zone);
  *seconds_east = static_cast<int>(offset);
  return found == 0 || (found > 0 && boundary > as_utc + kSecondsPerDay);
}

// As reading::ZoneOffset: of all offsets that the zone has around that time, the one at which its
// clocks show it.
bool OffsetInZone(const std::string& name, const reading::LocalTime& time, int* seconds_east) {
  pg_tz* zone = ZoneOf(name);
  if (zone == nullptr) {
    return false;
  }
  const pg_time_t as_utc =
      (static_cast<pg_time_t>(date2j(time.year, time.month, time.day)) - UNIX_EPOCH_JDATE) *
          kSecondsPerDay +
      (time.hour * MINS_PER_HOUR + time.minute) * SECS_PER_MINUTE + time.second;
  if (SteadyOffset(zone, as_utc, seconds_east)) {
    return true;
  }
  const auto offset_at = [&](pg_time_t at, long* offset) {
    const pg_tm* local = pg_localtime(&at, zone);
    *offset = local != nullptr ? local->tm_gmtoff : 0;
    return local != nullptr;
  };
  int found = 0;
  long last = 0;
  for (const pg_time_t around : {-kSecondsPerDay, pg_time_t{0}, kSecondsPerDay}) {
    long offset = 0, there = 0;
    if (!offset_at(as_utc + around, &offset) || !offset_at(as_utc - offset, &there)) {
      return false;
    }
    if (there == offset && (found == 0 || offset != last)) {
      ++found;
      last = offset;
    }
  }
  *seconds_east = static_cast<int>(last);
  return found == 1;
}

// The parts of the value are read by themselves, and as a whole it can only be nothing.
bool HasParts(TypeClass type_class) {
  return type_class == TypeClass::Array || type_class == TypeClass::Domain;
}

}  // namespace

Converter::Converter(TypeMap* types, const std::optional<std::string>& naive_zone)
    : types_(*types), naive_zone_(naive_zone), reader_(OffsetInZone) {}

void Converter::ReadBy(const reading::Readings* readings) {
  if (readings == readings_) {
    return;
  }
  readings_ = readings;
  const auto any = [&](auto&& is) {
    return readings != nullptr && std::any_of(readings->begin(), readings->end(), is);
  };
  reads_first_ = any([](const reading::Reading& one) { return reading::ComesFirst(one.kind); });
  knows_zone_ =
      any([](const reading::Reading& one) { return one.kind == reading::Kind::TimeZone; });
}

Converter::Claim Converter::ByReading(const TypeInfo& type, int32_t typmod, json::Value value,
                                      bool first, Datum* out, bool* null) {
  Claim claim = Claim::None;
  for (const reading::Reading& reading : *readings_) {
    if ((first && !reading::ComesFirst(reading.kind)) ||
        (HasParts(type.type_class) && reading.kind != reading::Kind::NullIf) ||
        !reading::Suits(reading.kind, type.family)) {
      continue;
    }
    const json::Value read = reader_.Read(reading, *readings_, type.family, !naive_zone_, value);
    if (!read) {
      continue;
    }
    if (read.kind() == json::Kind::Null) {
      *out = 0;
      *null = true;
      has_read_ = true;
      return Claim::Taken;
    }
    if (Strictly(type, typmod, read, out, null)) {
      has_read_ = true;
      return Claim::Taken;
    }
    claim = Claim::Refused;
    if (!quiet_) {
      fault_.read = read.Serialise();
    }
  }
  return claim;
}

bool Converter::WithReadings(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out,
                             bool* null) {
  // Where the text means what a reading says, it is not looked at otherwise.
  const Claim first = reads_first_ ? ByReading(type, typmod, value, true, out, null) : Claim::None;
  if (first != Claim::None) {
    return first == Claim::Taken;
  }
  Claim claim = Claim::None;
  {
    const Scoped<bool> quietly(&quiet_, true);
    if (Strictly(type, typmod, value, out, null)) {
      return true;
    }
    claim = ByReading(type, typmod, value, false, out, null);
  }
  if (claim == Claim::Taken || quiet_) {
    return claim == Claim::Taken;
  }
  // Once more, for what is wrong with it.
  return claim == Claim::Refused ? ByReading(type, typmod, value, false, out, null) == Claim::Taken
                                 : Strictly(type, typmod, value, out, null);
}

}  // namespace mend::convert
