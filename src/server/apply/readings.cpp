#include "server/apply/readings.h"

#include "server/convert/convert.h"

namespace mend::apply {

std::optional<pg::Error> WhyNotReading(const table::Target& target, const std::string& column,
                                       const std::string& text) {
  const base::Result<reading::Readings> readings = reading::Parse(text);
  if (!readings) {
    return pg::Error(ERRCODE_INVALID_PARAMETER_VALUE, readings.error().message,
                     readings.error().hint, "The text is " + convert::Quote(text) + ".");
  }
  const plan::Column* found = target.shape().Find(column);
  if (found == nullptr) {
    return pg::Error(ERRCODE_UNDEFINED_COLUMN, "the table has no column \"" + column + "\"");
  }
  const reading::Family family = target.types().Find(found->type.oid).family;
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
                       "time zone " + convert::Quote(reading.words.front()) + " is not known",
                       std::string("SELECT name FROM pg_timezone_names;"),
                       "Reading \"time_zone\" names it.");
    }
  }
  return std::nullopt;
}

}  // namespace mend::apply
