#include "core/plan/reading_rule.h"

#include "core/plan/lattice.h"
#include "core/plan/reading_family.h"
#include "core/reading/forms.h"

namespace mend::plan {
namespace {

using drift::Cause;
using drift::Format;
using reading::Family;
using reading::Reading;

// Of a class of values, how many there are to explain, and how many of them fit as they are.
struct Count {
  int64_t all = 0;
  int64_t fitting = 0;
};

// Of arrays the profile counts elements, those that fit among them.
Count CountOf(Family family, const drift::Profile& profile) {
  if (profile.arrays() == 0) return {profile.rows(), 0};
  if (profile.arrays() < profile.rows() || !profile.arrays_of_scalars()) return {};
  const auto text = [&](Format format) { return profile.strings(format); };
  switch (family) {
    case Family::Number: return {profile.strings(), text(Format::Integer) + text(Format::Number)};
    case Family::Boolean: return {profile.strings() + profile.numbers(), 0};
    case Family::Date:
    case Family::Timestamp:
    case Family::TimestampTz:
      return {profile.strings() + profile.numbers(),
              text(Format::Date) + text(Format::Timestamp) + text(Format::TimestampTz)};
    case Family::Uuid: return {profile.strings(), text(Format::Uuid)};
    default: return {profile.strings(), 0};
  }
}

// Objects and arrays in the place of a text.
bool IsNested(const drift::Drift& drift) {
  return (drift.cause == Cause::ObjectForScalar || drift.cause == Cause::ArrayForScalar) &&
         drift.profile.rows() > 0 &&
         drift.profile.objects() + drift.profile.arrays() == drift.profile.rows();
}

}  // namespace

reading::Readings ReadingFor(const Column& column, const drift::Drift& drift,
                             const Clocks& clocks) {
  const uint32_t element = ElementType(column.type.oid);
  // An array in the place of one value is read by no reading of values.
  const bool array = drift.profile.arrays() > 0;
  const Family family = ReadingFamily(element != 0 ? element : column.type.oid);
  if (column.generated != Generated::No) return {};
  if (family == Family::TimestampTz && drift.cause == Cause::NoOffset && !clocks.zone.empty()) {
    return {{reading::Kind::TimeZone, {clocks.zone}, 0}};
  }
  if (array == (element != 0)) {
    const bool zone_known = clocks.naive || !clocks.zone.empty();
    const Count count = CountOf(family, drift.profile);
    const std::optional<Reading> only =
        reading::OnlyReading(family, count.all, drift.profile.forms(), count.fitting, zone_known);
    // Zeros may be a part of what is no amount: a code, a telephone number.
    const bool code =
        only && only->kind == reading::Kind::Number && drift.cause == Cause::LeadingZero;
    const bool must_have =
        only && only->kind == reading::Kind::NullIf && column.not_null && element == 0;
    if (only && !code && !must_have) {
      reading::Readings readings = {*only};
      const bool date = only->kind == reading::Kind::DateYmd ||
                        only->kind == reading::Kind::DateDmy ||
                        only->kind == reading::Kind::DateMdy;
      if (date && family == Family::TimestampTz && !clocks.naive && !clocks.zone.empty()) {
        readings.push_back({reading::Kind::TimeZone, {clocks.zone}, 0});
      }
      return readings;
    }
  }
  if (family == Family::Text && element == 0 && IsNested(drift)) {
    return {{reading::Kind::JsonText, {}, 0}};
  }
  return {};
}

}  // namespace mend::plan
