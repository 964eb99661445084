#include "core/reading/reader.h"

#include <algorithm>
#include <cstdlib>

#include "core/base/json_member.h"
#include "core/base/number.h"
#include "core/reading/notation.h"

namespace mend::reading {
namespace {

constexpr int64_t kMicrosecondsPerSecond = 1000000;
constexpr int64_t kMicrosecondsPerDay = 86400 * kMicrosecondsPerSecond;

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

// By which power of ten an epoch is multiplied to give microseconds.
int PowerOf(Kind kind) {
  switch (kind) {
    case Kind::EpochS: return 6;
    case Kind::EpochMs: return 3;
    case Kind::EpochNs: return -3;
    default: return 0;
  }
}

void Put(char* out, int value, int digits) {
  for (; digits > 0; --digits, value /= 10) out[digits - 1] = static_cast<char>('0' + value % 10);
}

void AppendPadded(std::string* out, int value, int digits) {
  char text[8];
  Put(text, value, digits);
  out->append(text, static_cast<size_t>(digits));
}

void AppendDate(std::string* out, int year, int month, int day) {
  char text[] = "0000-00-00";
  Put(text, year, 4);
  Put(text + 5, month, 2);
  Put(text + 8, day, 2);
  out->append(text, sizeof text - 1);
}

void AppendClock(std::string* out, int hour, int minute, int second, std::string_view fraction) {
  char text[] = "T00:00:00";
  Put(text + 1, hour, 2);
  Put(text + 4, minute, 2);
  Put(text + 7, second, 2);
  out->append(text, sizeof text - 1);
  if (!fraction.empty()) {
    *out += '.';
    *out += fraction;
  }
}

void AppendOffset(std::string* out, int seconds_east) {
  const int seconds = std::abs(seconds_east);
  *out += seconds_east < 0 ? '-' : '+';
  AppendPadded(out, seconds / 3600, 2);
  *out += ':';
  AppendPadded(out, seconds / 60 % 60, 2);
  if (seconds % 60 != 0) {
    *out += ':';
    AppendPadded(out, seconds % 60, 2);
  }
}

// The one member of an object; empty when it has none or more.
json::Value OnlyKey(json::Value object) {
  const json::Value key = object.First();
  return key && !object.After(key) ? key : json::Value();
}

}  // namespace

json::Value Reader::Give(json::Kind kind, std::string_view text) {
  document_.Reset();
  document_.Add(kind, text);
  return document_.root();
}

json::Value Reader::Read(const Reading& reading, const Readings& all, Family family, bool utc_clock,
                         json::Value value) {
  switch (reading.kind) {
    case Kind::NullIf: return ReadNull(reading, value);
    case Kind::EpochS:
    case Kind::EpochMs:
    case Kind::EpochUs:
    case Kind::EpochNs:
    case Kind::EpochDays: return ReadEpoch(reading.kind, family, utc_clock, value);
    case Kind::Number:
    case Kind::NumberComma:
    case Kind::NumberPoint: return ReadNumber(reading.kind, value);
    case Kind::Boolean: return ReadBoolean(reading, value);
    case Kind::DateYmd:
    case Kind::DateDmy:
    case Kind::DateMdy:
    case Kind::TimeZone: return ReadDate(reading.kind, all, family, value);
    case Kind::Base64:
    case Kind::Base64Url:
    case Kind::Hex: return ReadBytes(reading.kind, value);
    case Kind::JsonText:
      if (value.IsScalar()) return {};
      text_ = value.Serialise(json::Value::Space::Jsonb);
      return Give(json::Kind::String, text_);
    case Kind::ParseJson: return ReadParsed(value);
    case Kind::ExtendedJson: return ReadExtended(family, utc_clock, value);
  }
  return {};
}

json::Value Reader::ReadNull(const Reading& reading, json::Value value) {
  if (!value.IsScalar()) return {};
  const bool known =
      std::find(reading.words.begin(), reading.words.end(), value.text()) != reading.words.end();
  return known ? Give(json::Kind::Null) : json::Value();
}

json::Value Reader::ReadBoolean(const Reading& reading, json::Value value) {
  if (!value.IsScalar()) return {};
  const auto found = std::find(reading.words.begin(), reading.words.end(), value.text());
  if (found == reading.words.end()) return {};
  const bool yes = static_cast<size_t>(found - reading.words.begin()) < reading.trues;
  return Give(yes ? json::Kind::True : json::Kind::False);
}

json::Value Reader::GiveInstant(int64_t microseconds, Family family, bool utc_clock) {
  if (!IsInYears(microseconds)) return {};
  int64_t days = microseconds / kMicrosecondsPerDay, rest = microseconds % kMicrosecondsPerDay;
  if (rest < 0) {
    rest += kMicrosecondsPerDay;
    --days;
  }
  int year = 0, month = 0, day = 0;
  CivilFromDays(days, &year, &month, &day);
  text_.clear();
  AppendDate(&text_, year, month, day);
  if (family == Family::Date) {
    return rest == 0 ? Give(json::Kind::String, text_) : json::Value();
  }
  const auto seconds = static_cast<int>(rest / kMicrosecondsPerSecond);
  const auto fraction = static_cast<int>(rest % kMicrosecondsPerSecond);
  AppendClock(&text_, seconds / 3600, seconds / 60 % 60, seconds % 60, {});
  if (fraction != 0) {
    text_ += '.';
    AppendPadded(&text_, fraction, 6);
    text_.resize(text_.find_last_not_of('0') + 1);
  }
  if (family != Family::Timestamp || !utc_clock) text_ += 'Z';
  return Give(json::Kind::String, text_);
}

json::Value Reader::ReadEpoch(Kind kind, Family family, bool utc_clock, json::Value value) {
  const bool number = value.kind() == json::Kind::Number ||
                      (value.kind() == json::Kind::String && base::IsJsonNumber(value.text()));
  int64_t scaled = 0;
  if (!number || !ScaledInteger(value.text(), PowerOf(kind), &scaled)) return {};
  if (kind == Kind::EpochDays) {
    if (scaled > DaysFromCivil(10000, 1, 1) || scaled < DaysFromCivil(1, 1, 1)) return {};
    scaled *= kMicrosecondsPerDay;
  }
  return GiveInstant(scaled, family, utc_clock);
}

json::Value Reader::ReadNumber(Kind kind, json::Value value) {
  const Convention convention = kind == Kind::NumberComma   ? Convention::Comma
                                : kind == Kind::NumberPoint ? Convention::Point
                                                            : Convention::Plain;
  if (value.kind() != json::Kind::String || !NumberOf(value.text(), convention, &text_)) return {};
  return Give(json::Kind::Number, text_);
}

json::Value Reader::ReadDate(Kind kind, const Readings& all, Family family, json::Value value) {
  const Order order = kind == Kind::DateYmd   ? Order::Ymd
                      : kind == Kind::DateDmy ? Order::Dmy
                      : kind == Kind::DateMdy ? Order::Mdy
                                              : Order::Iso;
  // As a number, a date has no leading zero: only the year can stand first.
  const bool text = value.kind() == json::Kind::String ||
                    (value.kind() == json::Kind::Number && order == Order::Ymd &&
                     base::IsCanonicalInteger(value.text()));
  DateAndTime date;
  if (!text || !DateOf(value.text(), order, &date)) return {};
  if (family == Family::Date && date.has_time) return {};
  const LocalTime& time = date.time;
  text_.clear();
  AppendDate(&text_, time.year, time.month, time.day);
  const auto zone = std::find_if(all.begin(), all.end(), [](const Reading& reading) {
    return reading.kind == Kind::TimeZone;
  });
  const bool zoned = family == Family::TimestampTz && !date.has_offset && zone != all.end();
  if (date.has_time || zoned) {
    AppendClock(&text_, time.hour, time.minute, time.second, date.fraction);
  }
  if (date.has_offset) AppendOffset(&text_, date.minutes_east * 60);
  if (zoned) {
    int seconds_east = 0;
    if (!zone_offset_(zone->words.front(), time, &seconds_east)) return {};
    AppendOffset(&text_, seconds_east);
  }
  return Give(json::Kind::String, text_);
}

json::Value Reader::ReadBytes(Kind kind, json::Value value) {
  if (value.kind() != json::Kind::String) return {};
  std::string_view text = value.text();
  text_ = "\\x";
  if (kind == Kind::Hex) {
    if (text.substr(0, 2) == "0x") text.remove_prefix(2);
    if (text.empty() || text.size() % 2 != 0 || !IsHex(text)) return {};
    text_ += text;
  } else if (!AppendBase64AsHex(text, kind == Kind::Base64Url, &text_)) {
    return {};
  }
  return Give(json::Kind::String, text_);
}

json::Value Reader::ReadParsed(json::Value value) {
  if (value.kind() != json::Kind::String) return {};
  const std::string_view text = WithoutBlanks(value.text());
  if (text.empty() || (text[0] != '{' && text[0] != '[')) return {};
  source_ = value.text();
  if (document_.Parse(source_)) return {};
  return document_.root();
}

json::Value Reader::GiveBinary(Family family, json::Value binary) {
  const json::Value base64 = json::Member(binary, "base64"), type = json::Member(binary, "subType");
  if (binary.token().size != 2 || !base64 || base64.kind() != json::Kind::String || !type ||
      type.kind() != json::Kind::String) {
    return {};
  }
  text_ = "\\x";
  if (!base64.text().empty() && !AppendBase64AsHex(base64.text(), false, &text_)) return {};
  if (family == Family::Bytea) return Give(json::Kind::String, text_);
  // Subtype 4 is a UUID; 3 is one whose bytes have an order that nobody knows.
  const bool uuid = type.text() == "04" || type.text() == "4";
  if (family != Family::Uuid || !uuid || text_.size() != 2 + 32) return {};
  return Give(json::Kind::String, std::string_view(text_).substr(2));
}

json::Value Reader::ReadExtended(Family family, bool utc_clock, json::Value value) {
  if (value.kind() != json::Kind::Object) return {};
  const json::Value key = OnlyKey(value);
  if (!key) return {};
  const std::string_view name = key.text();
  const json::Value inner = value.ValueOf(key);
  const bool string = inner.kind() == json::Kind::String;
  const bool time =
      family == Family::Date || family == Family::Timestamp || family == Family::TimestampTz;
  if (name == "$numberInt" || name == "$numberLong" || name == "$numberDouble" ||
      name == "$numberDecimal") {
    if (family != Family::Number && family != Family::Text) return {};
    if (inner.kind() != json::Kind::Number && !string) return {};
    text_ = inner.text();
    const bool integer = name == "$numberInt" || name == "$numberLong";
    const bool special = text_ == "NaN" || text_ == "Infinity" || text_ == "-Infinity";
    if (integer ? !base::IsCanonicalInteger(text_) : !base::IsJsonNumber(text_) && !special) {
      return {};
    }
    return Give(special || family == Family::Text ? json::Kind::String : json::Kind::Number, text_);
  }
  if (name == "$date" && time) {
    json::Value milliseconds = inner;
    if (inner.kind() == json::Kind::Object) {
      const json::Value inner_key = OnlyKey(inner);
      if (!inner_key || inner_key.text() != "$numberLong") return {};
      milliseconds = inner.ValueOf(inner_key);
    } else if (string) {
      DateAndTime date;
      if (!DateOf(inner.text(), Order::Ymd, &date) || !date.has_offset) return {};
      return GiveInstant(MicrosecondsOf(date), family, utc_clock);
    }
    return ReadEpoch(Kind::EpochMs, family, utc_clock, milliseconds);
  }
  if (name == "$binary" && inner.kind() == json::Kind::Object) return GiveBinary(family, inner);
  if (!string) return {};
  text_ = inner.text();
  if (name == "$oid") {
    if (text_.size() != 24 || !IsHex(text_)) return {};
    if (family == Family::Bytea) text_.insert(0, "\\x");
    return family == Family::Bytea || family == Family::Text ? Give(json::Kind::String, text_)
                                                             : json::Value();
  }
  const bool uuid = name == "$uuid" && (family == Family::Uuid || family == Family::Text);
  return uuid || (name == "$symbol" && family == Family::Text) ? Give(json::Kind::String, text_)
                                                               : json::Value();
}

}  // namespace mend::reading
