// Choosing a type by evidence.
#include <algorithm>
#include <iterator>

#include "core/plan/identifier.h"
#include "core/plan/lattice.h"
#include "core/plan/typmod.h"

namespace mend::plan {
namespace {

using namespace type_oid;
using drift::Format;
using drift::Profile;

// What an unconstrained numeric can hold.
constexpr int kNumericIntegerDigits = 131072;
constexpr int kNumericScale = 16383;

constexpr Type kUnlimitedNumeric{kNumeric, -1};

// Scalars of an array count as scalars do: the callers have looked at arrays and objects.
bool OnlyNumbers(const Profile& profile) {
  return profile.booleans() == 0 &&
         profile.strings() == profile.strings(Format::Integer) + profile.strings(Format::Number);
}

bool OnlyStrings(const Profile& profile, Format format) {
  return profile.booleans() == 0 && profile.numbers() == 0 &&
         profile.strings() == profile.strings(format);
}

bool FitsNumeric(const Profile& profile) {
  return profile.max_integer_digits() <= kNumericIntegerDigits &&
         profile.max_scale() <= kNumericScale;
}

int BitsOf(uint32_t oid) { return oid == kInt2 ? 16 : oid == kInt4 ? 32 : 64; }

std::optional<Type> WidenInteger(const Type& from, const Profile& profile) {
  if (!OnlyNumbers(profile)) return std::nullopt;
  // The text of a number is that number, written with a fraction or without.
  const bool integers =
      profile.fractions() == 0 && profile.text_fractions() == 0 && profile.integer_bits() != 0;
  if (integers && profile.integer_bits() <= BitsOf(from.oid)) return from;
  // Never int4: the next overflow would rewrite the table again.
  if (integers) return Type{kInt8, -1};
  return FitsNumeric(profile) ? std::optional(kUnlimitedNumeric) : std::nullopt;
}

std::optional<Type> WidenNumeric(const Type& from, const Profile& profile) {
  if (!OnlyNumbers(profile) || !FitsNumeric(profile)) return std::nullopt;
  if (from.typmod < 0) return from;
  const NumericLimits limits = DecodeNumeric(from.typmod);
  const bool fits = limits.scale >= 0 && profile.max_scale() <= limits.scale &&
                    profile.max_integer_digits() <= limits.IntegerDigits();
  return fits ? from : kUnlimitedNumeric;
}

std::optional<Type> WidenFloat(const Type& from, const Profile& profile) {
  if (!OnlyNumbers(profile)) return std::nullopt;
  if (from.oid == kFloat4 && profile.fits_float4() && profile.exact_float4()) return from;
  if (profile.fits_float8() && profile.exact_float8()) return Type{kFloat8, -1};
  return std::nullopt;
}

std::optional<Type> WidenCharacters(const Type& from, const Profile& profile) {
  if (from.typmod < 0 || profile.max_text_length() <= CharacterLimit(from.typmod)) return from;
  if (from.oid == kVarchar) return Type{kText, -1};
  return std::nullopt;
}

// Profiles do not say how fine a second was cut, so only the full precision is provable.
std::optional<Type> WidenTime(const Type& from, bool fits) {
  if (!fits) return std::nullopt;
  return TimePrecision(from.typmod) < kMicroseconds ? Type{from.oid, -1} : from;
}

std::optional<Type> KeepIf(const Type& from, bool fits) {
  return fits ? std::optional(from) : std::nullopt;
}

std::optional<Type> WidenScalar(const Type& from, const Profile& profile) {
  switch (from.oid) {
    case kInt2:
    case kInt4:
    case kInt8: return WidenInteger(from, profile);
    case kNumeric: return WidenNumeric(from, profile);
    case kFloat4:
    case kFloat8: return WidenFloat(from, profile);
    case kText:
    case kVarchar:
    case kBpchar: return WidenCharacters(from, profile);
    case kBool:
      return KeepIf(
          from, profile.numbers() == 0 && profile.strings() == profile.strings(Format::Boolean));
    case kUuid: return KeepIf(from, OnlyStrings(profile, Format::Uuid));
    case kDate: return KeepIf(from, OnlyStrings(profile, Format::Date));
    case kTime: return WidenTime(from, OnlyStrings(profile, Format::Time));
    case kTimestamp:
      return WidenTime(
          from, OnlyStrings(profile, Format::Timestamp) || OnlyStrings(profile, Format::Date));
    case kTimestamptz: return WidenTime(from, OnlyStrings(profile, Format::TimestampTz));
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<Type> WidenFor(const Type& from, const Profile& profile) {
  if (profile.rows() == 0 || from.oid == kJsonb || from.oid == kJson) return from;
  if (profile.objects() > 0) return std::nullopt;
  const uint32_t element = ElementType(from.oid);
  if (element == 0) {
    return profile.arrays() == 0 ? WidenScalar(from, profile) : std::nullopt;
  }
  const bool only_flat_arrays = profile.arrays() == profile.rows() && profile.arrays_of_scalars();
  if (!only_flat_arrays) return std::nullopt;
  const std::optional<Type> widened = WidenScalar({element, from.typmod}, profile);
  if (!widened) return std::nullopt;
  return Type{ArrayType(widened->oid), widened->typmod};
}

bool NamesTime(std::string_view name) {
  constexpr std::string_view kWords[] = {
      "at",        "begin",    "canceled",   "cancelled", "closed",    "completed", "confirmed",
      "created",   "date",     "datetime",   "deleted",   "delivered", "due",       "end",
      "ended",     "expires",  "expiry",     "finished",  "issued",    "joined",    "login",
      "merged",    "modified", "on",         "opened",    "paid",      "posted",    "published",
      "pushed",    "received", "registered", "released",  "requested", "resolved",  "scheduled",
      "seen",      "sent",     "shipped",    "signed",    "since",     "start",     "started",
      "submitted", "synced",   "time",       "timestamp", "ts",        "until",     "updated",
      "utc",       "when"};
  const std::string normal = Normalise(name);
  const size_t last = normal.find_last_of('_');
  const std::string_view word = last == std::string::npos
                                    ? std::string_view(normal)
                                    : std::string_view(normal).substr(last + 1);
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

std::optional<Type> TypeForNew(const Profile& profile, std::string_view name) {
  if (profile.rows() == 0) return std::nullopt;
  if (profile.objects() > 0 || profile.arrays() > 0) return Type{kJsonb, -1};
  const bool booleans = profile.booleans() > 0;
  const bool numbers = profile.numbers() > 0;
  if (numbers && !FitsNumeric(profile)) return std::nullopt;  // jsonb holds no such number either
  const int64_t telling = profile.strings() - profile.words_for_none();
  const int64_t numeric_text = profile.strings(Format::Integer) + profile.strings(Format::Number);
  if (numbers && !booleans && telling == numeric_text && FitsNumeric(profile)) {
    const bool integers =
        profile.fractions() == 0 && profile.text_fractions() == 0 && !profile.written_as_fraction();
    return integers && profile.integer_bits() != 0 ? Type{kInt8, -1} : kUnlimitedNumeric;
  }
  if (booleans && !numbers && telling == profile.strings(Format::Boolean)) return Type{kBool, -1};
  if (booleans || numbers) return Type{kJsonb, -1};
  const bool times = OnlyStrings(profile, Format::TimestampTz) &&
                     profile.max_second_digits() <= kMicroseconds && NamesTime(name);
  return Type{times ? kTimestamptz : kText, -1};
}

Type Generalise(const Type& from, const Profile& profile, std::string_view name) {
  const std::optional<Type> to = TypeForNew(profile, name);
  if (!to) return from;
  const Widening widening = Judge(from, *to);
  return widening == Widening::Lossless || widening == Widening::ToJsonb ? *to : from;
}

}  // namespace mend::plan
