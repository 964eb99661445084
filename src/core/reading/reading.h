// Readings: how values that do not fit plainly are to be read for one column. A closed list, and
// the text in which it is written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace mend::reading {

enum class Kind : uint8_t {
  NullIf,
  EpochS,
  EpochMs,
  EpochUs,
  EpochNs,
  EpochDays,
  Number,
  NumberComma,
  NumberPoint,
  Boolean,
  DateYmd,
  DateDmy,
  DateMdy,
  TimeZone,
  Base64,
  Base64Url,
  Hex,
  JsonText,
  ParseJson,
  ExtendedJson,
};
inline constexpr size_t kKinds = static_cast<size_t>(Kind::ExtendedJson) + 1;

// What a reading must know of a column's type; of an array, of its elements; of a domain, of what
// it is made of.
enum class Family : uint8_t {
  Number,  // integers, numeric, floating point
  Boolean,
  Date,
  Timestamp,
  TimestampTz,
  Bytea,
  Uuid,
  Text,  // text, varchar
  Json,  // json, jsonb
  Char,  // what takes any short text: char(n), name
  Other,
};
inline constexpr size_t kFamilies = static_cast<size_t>(Family::Other) + 1;

struct Reading {
  Kind kind = Kind::Number;
  // NullIf: the texts that stand for nothing. Boolean: those of true, then those of false.
  // TimeZone: its name.
  std::vector<std::string> words;
  size_t trues = 0;  // Boolean: how many of the words stand for true
  bool operator==(const Reading& other) const {
    return kind == other.kind && words == other.words && trues == other.trues;
  }
};

// The readings of one column, tried in this order.
using Readings = std::vector<Reading>;

inline constexpr size_t kMaxReadings = 20;
inline constexpr size_t kMaxWords = 100;
inline constexpr size_t kMaxWordBytes = 200;

// "number_comma", "null_if", ...
std::string_view Name(Kind kind);

// Readings separated by commas or bars: `null_if("", "N/A"), number_comma`. Words are JSON strings.
// An error has SQLSTATE 22023, and says what there is.
base::Result<Readings> Parse(std::string_view text);

// The one text of these readings, which Parse() takes.
std::string Print(const Readings& readings);
std::string Print(const Reading& reading);

// The readings with `more` behind them, each once. What a null_if brings is added to a null_if that
// is there.
Readings Joined(Readings readings, const Readings& more);

// Whether a reading can be of use to such columns.
bool Suits(Kind kind, Family family);
// Those that can, by name, separated by commas.
std::string NamesFor(Family family);

// Whether the reading says what a text means although the column would take that text as it stands:
// "1.234" under number_comma, and JSON in a text under parse_json.
inline bool ComesFirst(Kind kind) { return kind == Kind::NumberComma || kind == Kind::ParseJson; }

}  // namespace mend::reading
