// Whether two texts of one value say the same: one as it was given, one as its type prints it.
#pragma once

#include <cstdint>
#include <string_view>

namespace mend::base {

// What a type's documentation lets differ between the text that it takes and the text that it
// prints.
enum class Notation : uint8_t {
  Verbatim,  // nothing
  Blanks,    // white space
  Case,      // upper and lower case
  Atoms,     // what stands between numbers and words, and how a number is written
  AnyOrder,  // the same, and the order of numbers and words
  Lexemes,   // of tsvector: quotes, and the order and number of equal lexemes
  Terms,     // of tsquery: quotes, blanks and brackets
  Hyphens,   // white space and hyphens
  Hardware,  // separators and case of hardware addresses; six bytes where eight are printed
  Internet,  // notations of IPv6, and a netmask of the whole address
};

// Numbers are the same when they are equal, or when the printed one is the nearest floating-point
// number to a given fraction. Both texts are UTF-8; time is linear in their length, but for
// sorting.
bool SaysTheSame(Notation notation, std::string_view given, std::string_view printed);

// Whether one text of a number, as JSON has it, is worth the same as another.
bool IsSameNumber(std::string_view one, std::string_view other);

}  // namespace mend::base
