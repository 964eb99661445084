#include "server/guard/check_reading.h"

#include "core/base/utf8.h"
#include "core/plan/reading_family.h"
#include "core/reading/reading.h"
#include "server/pg/call.h"

namespace mend::guard {
namespace {

std::string Quoted(std::string_view text) {
  constexpr size_t kMost = 200;
  return "\"" + std::string(base::CutUtf8(text, kMost)) + (text.size() > kMost ? "..." : "") + "\"";
}

// Of a domain what it is made of, of an array its elements.
reading::Family FamilyOf(Oid type) {
  return plan::ReadingFamily(pg::Call([&] {
    for (Oid part = type; OidIsValid(part); part = get_element_type(type)) {
      type = getBaseType(part);
    }
    return type;
  }));
}

}  // namespace

std::optional<pg::Error> WhyNotReading(const plan::Shape& shape, const std::string& column,
                                       const std::string& text) {
  const base::Result<reading::Readings> readings = reading::Parse(text);
  if (!readings) {
    return pg::Error(ERRCODE_INVALID_PARAMETER_VALUE, readings.error().message,
                     readings.error().hint, "The text is " + Quoted(text) + ".");
  }
  const plan::Column* found = shape.Find(column);
  if (found == nullptr) {
    return pg::Error(ERRCODE_UNDEFINED_COLUMN, "the table has no column \"" + column + "\"");
  }
  const reading::Family family = FamilyOf(found->type.oid);
  for (const reading::Reading& reading : *readings) {
    const std::string name(reading::Name(reading.kind));
    if (!reading::Suits(reading.kind, family)) {
      const std::string others = reading::NamesFor(family);
      return pg::Error(ERRCODE_DATATYPE_MISMATCH,
                       "reading \"" + name + "\" is of no use to column \"" + column + "\"",
                       others.empty() ? "The type takes any text as it is: no reading is for it."
                                      : "Readings for its type are " + others + ".",
                       "The column is " + found->type_text + ".");
    }
    if (reading.kind != reading::Kind::TimeZone) {
      continue;
    }
    const bool known = pg::Call([&] {
      pg_tz* zone = pg_tzset(reading.words.front().c_str());
      return zone != nullptr && pg_tz_acceptable(zone);
    });
    if (!known) {
      return pg::Error(ERRCODE_INVALID_PARAMETER_VALUE,
                       "time zone " + Quoted(reading.words.front()) + " is not known",
                       std::string("SELECT name FROM pg_timezone_names;"),
                       "Reading \"time_zone\" names it.");
    }
  }
  return std::nullopt;
}

}  // namespace mend::guard
