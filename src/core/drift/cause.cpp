#include "core/drift/cause.h"

#include <algorithm>
#include <iterator>

#include "core/base/number.h"

namespace mend::drift {
namespace {

struct Entry {
  Cause cause;
  std::string_view code;
  // $t stands for the column's type, $a for what it is about; "a|b": b where that is not known.
  std::string_view phrase;
  bool may_fit_wider_type;
};

constexpr Entry kEntries[] = {
    {Cause::Unspecified, "unspecified", "it does not fit type $t|it does not fit", true},
    {Cause::NewField, "new_field", "no column is for it", true},
    {Cause::SharesNoKey, "shares_no_key", "no key of the payload is a column", true},
    {Cause::ManyDigits, "many_digits", "no column is for it, and it has more than 40 digits", true},
    {Cause::EmptyText, "empty_text", "it is empty text", false},
    {Cause::WordForNone, "word_for_none", "it is a word for nothing", false},
    {Cause::LeadingZero, "leading_zero", "it has a leading zero, which type $t would drop", false},
    {Cause::NumberFormat, "number_format", "it is a number in a form that JSON does not have",
     false},
    {Cause::NotANumber, "not_a_number", "it is text that is no number", false},
    {Cause::NotABoolean, "not_a_boolean", "it is neither true nor false", false},
    {Cause::NotALabel, "not_a_label", "it is not a label of enum $t", false},
    {Cause::NotATime, "not_a_time", "it is no date or time in ISO 8601", false},
    {Cause::NotAUuid, "not_a_uuid", "it is no UUID", false},
    {Cause::BadSyntax, "bad_syntax", "type $t does not take it", false},
    {Cause::ChangedByType, "changed_by_type", "type $t would change it", false},
    {Cause::NulCharacter, "nul_character", "it has the character U+0000, which no text can hold",
     false},
    {Cause::ObjectForScalar, "object_for_scalar", "it is an object", false},
    {Cause::ArrayForScalar, "array_for_scalar", "it is an array", false},
    {Cause::ScalarForArray, "scalar_for_array", "it is a single value, and the column is an array",
     false},
    {Cause::NumberForText, "number_for_text", "it is a number, and the column is text", false},
    {Cause::NumberForTime, "number_for_time", "it is a number, and the column is a date or time",
     false},
    {Cause::NumberForBoolean, "number_for_boolean", "it is a number, and the column is boolean",
     false},
    {Cause::BooleanForNumber, "boolean_for_number", "it is a boolean, and the column is a number",
     false},
    {Cause::BooleanForText, "boolean_for_text", "it is a boolean", false},
    {Cause::NotTextSoFar, "not_text_so_far",
     "it is a number or boolean, and the column has only had text so far", false},
    {Cause::NotIntegerSoFar, "not_integer_so_far",
     "it is written with a fraction or exponent, and the column has only had plain integers so far",
     true},
    {Cause::TextForNumber, "text_for_number", "it is a number in quotes that type $t cannot hold",
     true},
    {Cause::RaggedArray, "ragged_array", "its inner arrays differ in length", false},
    {Cause::Element, "element", "an element does not fit: $a|an element does not fit", true},
    {Cause::Member, "member", "a member does not fit: $a|a member does not fit", false},
    {Cause::UnknownMember, "unknown_member",
     "it has a key that type $t does not have: $a|it has a key that type $t does not have", false},
    {Cause::DuplicateKeyInside, "duplicate_key_inside", "an object in it has the same key twice",
     false},
    {Cause::HasFraction, "has_fraction", "it has a fraction", true},
    {Cause::OutOfRange, "out_of_range", "it is out of range for type $t", true},
    {Cause::TooManyDigits, "too_many_digits", "it has more digits than type $t keeps", true},
    {Cause::Inexact, "inexact", "type $t has no such number", true},
    {Cause::PastNumeric, "past_numeric", "it has more digits than numeric can hold", false},
    {Cause::HasOffset, "has_offset", "it has an offset, and type $t has none", false},
    {Cause::NoOffset, "no_offset", "it has no offset, and type $t needs one: set naive_zone",
     false},
    {Cause::HasTime, "has_time", "it has a time of day, and type $t has none", false},
    {Cause::NoSuchTime, "no_such_time", "there is no such date or time", false},
    {Cause::LeapSecond, "leap_second", "it has a second 60", false},
    {Cause::TooPrecise, "too_precise", "its seconds have more digits than type $t keeps", true},
    {Cause::UnknownZone, "unknown_zone", "its time zone is not known to the server", false},
    {Cause::TooLong, "too_long", "it is too long for type $t", true},
    {Cause::TooLarge, "too_large", "it is larger than PostgreSQL can store", false},
    {Cause::DomainCheck, "domain_check", "domain $t refuses it: $a|domain $t refuses it", false},
    {Cause::Absent, "absent", "it is absent or null, and the column must have a value", false},
    {Cause::SameColumnTwice, "same_column_twice",
     "key $a of the payload means the same column|another key of the payload means the same column",
     false},
    {Cause::SeveralColumns, "several_columns",
     "it could mean column $a as well|it could mean more than one column", false},
    {Cause::DuplicateKey, "duplicate_key", "the payload has the key twice", false},
    {Cause::InvisibleCharacters, "invisible_characters", "the key has invisible characters", false},
    {Cause::ComputedOtherwise, "computed_otherwise", "the database computes another value", false},
    {Cause::IdentityAlways, "identity_always", "the database numbers the column by itself", false},
    {Cause::NoPartition, "no_partition", "no partition takes the row", false},
    {Cause::UniqueViolation, "unique_violation",
     "a row with the same key is already stored ($a)|a row with the same key is already stored",
     false},
    {Cause::ExclusionViolation, "exclusion_violation",
     "exclusion constraint $a refuses the row|an exclusion constraint refuses the row", false},
    {Cause::CheckViolation, "check_violation",
     "CHECK constraint $a refuses the row|a CHECK constraint refuses the row", false},
    {Cause::ForeignKey, "foreign_key",
     "the row it refers to is not there ($a)|the row it refers to is not there", false},
    {Cause::Policy, "policy",
     "row-level security policy $a refuses the row|a row-level security policy refuses the row",
     false},
    {Cause::Refused, "refused", "a trigger, rule or expression of the table refuses the row",
     false},
    {Cause::WaitsForEarlier, "waits_for_earlier", "an earlier payload of the same key waits",
     false},
    {Cause::NotJson, "not_json", "the payload is not JSON that PostgreSQL can store", false},
    {Cause::NotAnObject, "not_an_object", "the payload is not a JSON object", false},
    {Cause::NoRecord, "no_record", "the payload has no object at $a|the payload has no record",
     false},
    {Cause::KeyTooLong, "key_too_long", "a key of the payload is too long", false},
    {Cause::TooManyFields, "too_many_fields",
     "the payload has more fields than a table can have columns", false},
    {Cause::TooDeep, "too_deep", "the payload is nested too deeply", false},
};
static_assert(std::size(kEntries) == kCauses);

constexpr bool InOrder() {
  for (size_t i = 0; i < kCauses; ++i) {
    if (static_cast<size_t>(kEntries[i].cause) != i) {
      return false;
    }
  }
  return true;
}
static_assert(InOrder());

const Entry& EntryOf(Cause cause) { return kEntries[static_cast<size_t>(cause)]; }

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\f\v";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string_view Code(Cause cause) { return EntryOf(cause).code; }

std::optional<Cause> CauseFromCode(std::string_view code) {
  for (const Entry& entry : kEntries) {
    if (entry.code == code) {
      return entry.cause;
    }
  }
  return std::nullopt;
}

std::string Phrase(Cause cause, std::string_view type, std::string_view about) {
  std::string_view phrase = EntryOf(cause).phrase;
  const size_t bar = phrase.find('|');
  if (bar != std::string_view::npos) {
    const std::string_view first = phrase.substr(0, bar);
    const bool known = first.find("$a") != std::string_view::npos ? !about.empty() : !type.empty();
    phrase = known ? first : phrase.substr(bar + 1);
  }
  std::string out;
  for (size_t i = 0; i < phrase.size(); ++i) {
    if (phrase[i] != '$') {
      out += phrase[i];
      continue;
    }
    ++i;
    if (phrase[i] == 'a') {
      out += about;
    } else {
      out += type.empty() ? "of the column" : type;
    }
  }
  return out;
}

bool MayFitWiderType(Cause cause) { return EntryOf(cause).may_fit_wider_type; }

bool IsBlank(std::string_view text) { return Trimmed(text).empty(); }

bool IsWordForNone(std::string_view text) {
  constexpr std::string_view kWords[] = {"n/a",  "na", "null", "none", "nil", "nan",
                                         "#n/a", "-",  "--",   "?",    "\\n", "undefined"};
  std::string word(Trimmed(text));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

Cause CauseOfTextForNumber(std::string_view text) {
  if (IsBlank(text)) {
    return Cause::EmptyText;
  }
  if (IsWordForNone(text)) {
    return Cause::WordForNone;
  }
  if (base::IsJsonNumber(text)) {
    return Cause::TextForNumber;
  }
  std::string_view digits = text;
  if (digits.front() == '-') {
    digits.remove_prefix(1);
  }
  if (digits.size() > 1 && digits[0] == '0' && IsDigit(digits[1]) &&
      digits.find_first_not_of("0123456789.") == std::string_view::npos) {
    return Cause::LeadingZero;
  }
  std::string_view trimmed = Trimmed(text);
  if (trimmed.front() == '-' || trimmed.front() == '+') {
    trimmed.remove_prefix(1);
  }
  const bool looks_like_number =
      std::any_of(trimmed.begin(), trimmed.end(), IsDigit) &&
      trimmed.find_first_not_of("0123456789.,'_ \t") == std::string_view::npos;
  return looks_like_number ? Cause::NumberFormat : Cause::NotANumber;
}

}  // namespace mend::drift
