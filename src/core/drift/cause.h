// What is wrong with a class of values of one field: one list of codes, which queue, drifts,
// reasons, views, prompts, MCP and the documentation share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mend::drift {

// The most telling cause of a value is the one it gets. Stored by name: the order is free.
enum class Cause : uint8_t {
  Unspecified,  // of rows that an earlier release queued
  NewField,
  SharesNoKey,  // of payloads without a key that is a column
  ManyDigits,   // a number without a column, of far more digits than numbers have
  // Text for a column of another type.
  EmptyText,     // "" or blanks alone
  WordForNone,   // N/A, null, none, nil, -
  LeadingZero,   // 007
  NumberFormat,  // a number as people write it: 1,234.56  +5  " 5"
  NotANumber,    // no number at all
  NotABoolean,
  NotALabel,  // of the enum
  NotATime,
  NotAUuid,
  BadSyntax,      // what the type's input function refuses
  ChangedByType,  // what the type's input function changes without a word
  NulCharacter,
  // JSON of another kind than the column's type takes.
  ObjectForScalar,
  ArrayForScalar,
  ScalarForArray,
  NumberForText,
  NumberForTime,
  NumberForBoolean,
  BooleanForNumber,
  BooleanForText,
  NotTextSoFar,     // a number or boolean for a column that text alone has made
  NotIntegerSoFar,  // 5.0 or 1e2 for a column that plain integers alone have made
  TextForNumber,
  RaggedArray,    // its parts differ in length or depth
  Element,        // one element does not fit; `about` names that element's cause
  Member,         // one member of a composite does not fit
  UnknownMember,  // the composite has no such member
  DuplicateKeyInside,
  // Numbers.
  HasFraction,  // for an integer type
  OutOfRange,
  TooManyDigits,  // past the scale or precision of the column
  Inexact,        // no such floating-point number
  PastNumeric,    // no type of PostgreSQL holds it
  // Times.
  HasOffset,
  NoOffset,
  HasTime,     // a time of day, for a date
  NoSuchTime,  // 30 February
  LeapSecond,
  TooPrecise,  // digits of the second past what the column keeps
  UnknownZone,
  // Lengths.
  TooLong,
  TooLarge,
  // A domain's CHECK.
  DomainCheck,
  // What is absent.
  Absent,
  // Keys.
  SameColumnTwice,  // `about` is the other key
  SeveralColumns,   // `about` is a column that the key could mean as well
  DuplicateKey,
  InvisibleCharacters,
  // What the database computes.
  ComputedOtherwise,
  IdentityAlways,
  // The row.
  NoPartition,
  UniqueViolation,  // `about` is the constraint, here and below
  ExclusionViolation,
  CheckViolation,
  ForeignKey,
  Policy,
  Refused,          // by a trigger, a rule or an expression of the table
  WaitsForEarlier,  // an older payload of the same key waits
  // The payload.
  NotJson,
  NotAnObject,
  NoRecord,  // nothing at the place that the enrolment names
  KeyTooLong,
  TooManyFields,
  TooDeep,
};
inline constexpr size_t kCauses = static_cast<size_t>(Cause::TooDeep) + 1;

// "empty_text", "leading_zero", ...
std::string_view Code(Cause cause);
std::optional<Cause> CauseFromCode(std::string_view code);

// What is wrong, as the second half of a sentence about the value: "it is empty text", "it has an
// offset, and the column has none". `type` is the column's type as format_type() prints it, empty
// where there is no column; `about` is what the cause's comment says, empty when it is not known.
// Both are quoted or bounded by the caller. No counts, no values.
std::string Phrase(Cause cause, std::string_view type = {}, std::string_view about = {});

// Whether another type of the same family may hold such values: what a planner need not even try
// otherwise.
bool MayFitWiderType(Cause cause);

// The cause of a text that is no canonical number, for a column of numbers.
Cause CauseOfTextForNumber(std::string_view text);
// Whether it is a usual word for nothing: N/A, null, none, nil, -, in any case.
bool IsWordForNone(std::string_view text);
// Whether it is empty, or blanks alone.
bool IsBlank(std::string_view text);

}  // namespace mend::drift
