#include "core/plan/lattice.h"

#include "core/plan/typmod.h"

namespace mend::plan {
namespace {

using namespace type_oid;

struct ArrayPair {
  uint32_t array;
  uint32_t element;
};

constexpr ArrayPair kArrays[] = {
    {143, kXml},          {199, kJson},      {651, kCidr},       {775, kMacaddr8},  {791, kMoney},
    {1000, kBool},        {1001, kBytea},    {1005, kInt2},      {1007, kInt4},     {1009, kText},
    {1014, kBpchar},      {1015, kVarchar},  {1016, kInt8},      {1021, kFloat4},   {1022, kFloat8},
    {1040, kMacaddr},     {1041, kInet},     {1115, kTimestamp}, {1182, kDate},     {1183, kTime},
    {1185, kTimestamptz}, {1187, kInterval}, {1231, kNumeric},   {1270, kTimetz},   {1561, kBit},
    {1563, kVarbit},      {2951, kUuid},     {3807, kJsonb},     {4073, kJsonpath},
};

// Decimal digits of the widest value; 0 for what is no integer type.
int IntegerDigits(uint32_t oid) {
  switch (oid) {
    case kInt2: return 5;
    case kInt4: return 10;
    case kInt8: return 19;
    default: return 0;
  }
}

// Scalars whose output is one text for one value. Not bytea, json, jsonb, xml, money: their text
// depends on settings or is a document; not inet, which the cast gives a /32.
bool HasText(uint32_t oid) {
  switch (oid) {
    case kBool:
    case kInt2:
    case kInt4:
    case kInt8:
    case kFloat4:
    case kFloat8:
    case kNumeric:
    case kDate:
    case kTime:
    case kTimetz:
    case kTimestamp:
    case kTimestamptz:
    case kInterval:
    case kUuid:
    case kCidr:
    case kMacaddr:
    case kMacaddr8:
    case kBpchar:
    case kBit:
    case kVarbit: return true;
    default: return false;
  }
}

// A modifier that is the largest size allowed, or none.
bool LimitGrows(int32_t from, int32_t to) { return to < 0 || (from >= 0 && to >= from); }

bool NumericGrows(int32_t from, int32_t to) {
  if (to < 0) return true;
  if (from < 0) return false;
  const NumericLimits old_limits = DecodeNumeric(from);
  const NumericLimits new_limits = DecodeNumeric(to);
  return new_limits.scale >= old_limits.scale &&
         new_limits.IntegerDigits() >= old_limits.IntegerDigits();
}

bool IntervalGrows(int32_t from, int32_t to) {
  const IntervalLimits old_limits = DecodeInterval(from);
  const IntervalLimits new_limits = DecodeInterval(to);
  const bool keeps_fields =
      new_limits.range == kAllIntervalFields || new_limits.range == old_limits.range;
  return keeps_fields && new_limits.precision >= old_limits.precision;
}

bool GrowsWithinType(uint32_t oid, int32_t from, int32_t to) {
  switch (oid) {
    case kVarchar:
    case kVarbit: return LimitGrows(from, to);
    case kNumeric: return NumericGrows(from, to);
    case kTime:
    case kTimetz:
    case kTimestamp:
    case kTimestamptz: return TimePrecision(to) >= TimePrecision(from);
    case kInterval: return IntervalGrows(from, to);
    default: return false;
  }
}

bool HoldsIntegers(const Type& to, int digits) {
  if (to.oid == kInt4) return digits <= 5;
  if (to.oid == kInt8) return digits <= 10;
  if (to.oid == kFloat8) return digits <= 10;  // 2^53 has 16 digits: past int4, not past int8
  if (to.oid != kNumeric) return false;
  if (to.typmod < 0) return true;
  const NumericLimits limits = DecodeNumeric(to.typmod);
  return limits.scale >= 0 && limits.IntegerDigits() >= digits;
}

bool IsLossless(const Type& from, const Type& to) {
  if (from == to) return true;
  if (from.oid == to.oid) return GrowsWithinType(from.oid, from.typmod, to.typmod);
  if (const int digits = IntegerDigits(from.oid)) return HoldsIntegers(to, digits);
  switch (from.oid) {
    case kFloat4: return to.oid == kFloat8;
    case kVarchar: return to.oid == kText;
    case kCidr: return to.oid == kInet;
    default: return false;
  }
}

// Scalars that to_jsonb() writes alike in every session, and that come back equal. Not timestamptz,
// which it writes in the session's zone, nor char(n), whose blanks it drops.
bool HasJson(uint32_t oid) {
  switch (oid) {
    case kBool:
    case kInt2:
    case kInt4:
    case kInt8:
    case kNumeric:
    case kText:
    case kVarchar:
    case kDate:
    case kTimestamp:
    case kUuid:
    case kInet:
    case kCidr:
    case kMacaddr:
    case kMacaddr8: return true;
    default: return false;
  }
}

// One type of each family stands for it.
uint32_t FamilyOf(uint32_t oid) {
  switch (oid) {
    case kInt2:
    case kInt4:
    case kInt8:
    case kFloat4:
    case kFloat8:
    case kNumeric: return kNumeric;
    case kVarchar:
    case kBpchar:
    case kText: return kText;
    case kDate:
    case kTimestamp:
    case kTimestamptz: return kTimestamptz;
    default: return oid;
  }
}

}  // namespace

uint32_t ElementType(uint32_t array_oid) {
  for (const ArrayPair& pair : kArrays) {
    if (pair.array == array_oid) return pair.element;
  }
  return 0;
}

uint32_t ArrayType(uint32_t element_oid) {
  for (const ArrayPair& pair : kArrays) {
    if (pair.element == element_oid) return pair.array;
  }
  return 0;
}

Widening Judge(const Type& from, const Type& to) {
  const uint32_t from_element = ElementType(from.oid);
  const uint32_t to_element = ElementType(to.oid);
  if (from_element != 0 && to_element != 0) {
    const bool lossless = IsLossless({from_element, from.typmod}, {to_element, to.typmod});
    return lossless ? Widening::Lossless : Widening::Refused;
  }
  if (IsLossless(from, to)) return Widening::Lossless;
  if (to.oid == kJsonb && HasJson(from.oid)) return Widening::ToJsonb;
  const bool unlimited_text = (to.oid == kText || to.oid == kVarchar) && to.typmod < 0;
  return unlimited_text && HasText(from.oid) ? Widening::ToText : Widening::Refused;
}

bool ChangesFamily(const Type& from, const Type& to) {
  const uint32_t from_element = ElementType(from.oid);
  const uint32_t to_element = ElementType(to.oid);
  if ((from_element != 0) != (to_element != 0)) return true;
  const uint32_t old_oid = from_element != 0 ? from_element : from.oid;
  const uint32_t new_oid = to_element != 0 ? to_element : to.oid;
  return FamilyOf(old_oid) != FamilyOf(new_oid) && Judge(from, to) != Widening::Lossless;
}

bool Rewrites(const Type& from, const Type& to) {
  if (from == to) return false;
  if (from.oid == kVarchar && to.oid == kText) return false;
  if (from.oid == kText && to.oid == kVarchar) return to.typmod >= 0;
  if (from.oid == kCidr && to.oid == kInet) return false;
  if (from.oid == to.oid && to.typmod < 0) return false;
  // Only the coercion to a longer modifier of the same scalar type is optimised away.
  if (from.oid != to.oid || !GrowsWithinType(from.oid, from.typmod, to.typmod)) return true;
  return from.oid == kNumeric && DecodeNumeric(from.typmod).scale != DecodeNumeric(to.typmod).scale;
}

}  // namespace mend::plan
