// The strict ISO 8601 grammar of times that ingest accepts; nothing depends on DateStyle.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mend::convert {

struct IsoTime {
  bool has_date = false, has_time = false;
  int year = 0, month = 0, day = 0;  // the year 0 is 1 BC
  int hour = 0, minute = 0, second = 0;
  int microsecond = 0;      // rounded; 1000000 carries
  int fraction_digits = 0;  // up to the last that is not zero
  enum class Zone : uint8_t { None, Offset, Name } zone = Zone::None;
  int offset = 0;              // seconds east of UTC, with Zone::Offset
  std::string_view zone_name;  // with Zone::Name; not looked up
  bool in_range = true;        // no such day or hour exists, though the form is right
  bool leap_second = false;    // second 60
};

// YYYY-MM-DD, or HH:MM[:SS[.f...]][zone], or both with T or one space between. zone: Z, +hh, +hhmm,
// +hh:mm[:ss] or, after a time, a name. T and Z may be lower case (RFC 3339). As PostgreSQL writes
// them, a year may have more than four digits, and a date may end in " BC". nullopt: not of that
// form.
std::optional<IsoTime> ParseIso(std::string_view text);

}  // namespace mend::convert
