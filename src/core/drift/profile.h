// What has been seen under one drifting field: counts, kinds, formats, widths and ranges, never
// values. Profiles merge, and travel through mend.drifts.profile as JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/reading/forms.h"

namespace mend::drift {

// How a string reads. The first that matches, in this order, is counted.
enum class Format : uint8_t {
  Empty,
  Boolean,
  Integer,
  Number,
  TimestampTz,
  Timestamp,
  Date,
  Time,
  Uuid,
  Other
};
std::string_view Name(Format format);
Format FormatOf(std::string_view text);

class Profile {
 public:
  // Scalars in an array are counted as scalars are, beside arrays(): so booleans(), numbers() and
  // strings() speak of elements when rows() is arrays(). Strings that read as numbers count as
  // strings, but the widths and ranges of numbers cover them too.
  void Add(json::Value value);
  void AddAbsent() { ++absent_; }
  // That the payload has brought so many fields without a column, this one among them.
  void AddCompany(int64_t new_fields);
  // Associative, commutative, and equal to adding all values to one profile.
  void Merge(const Profile& other);

  std::string ToJson() const;
  static std::optional<Profile> FromJson(std::string_view text);

  // Evidence: rows whose value is neither null, nor an empty array, nor an array of nulls only.
  int64_t rows() const { return rows_; }
  int64_t absent() const { return absent_; }
  int64_t nulls() const { return nulls_; }  // nulls, empty arrays and arrays of nulls
  int64_t booleans() const { return booleans_; }
  int64_t numbers() const;
  int64_t integers() const { return integers_; }  // numbers without a non-zero fraction
  int64_t fractions() const { return fractions_; }
  int64_t strings() const;
  int64_t strings(Format format) const { return formats_[static_cast<int>(format)]; }
  int64_t arrays() const { return arrays_; }
  int64_t objects() const { return objects_; }
  // Bits needed to hold every integer seen: 16, 32, 64, or 0 when one is past int8.
  int integer_bits() const { return integer_bits_; }
  bool written_as_fraction() const { return written_as_fraction_; }  // 5.0 or 1e2 was seen
  int max_integer_digits() const { return max_integer_digits_; }     // left of the point
  int max_scale() const { return max_scale_; }  // right of it, trailing zeros included
  int64_t text_fractions() const { return text_fractions_; }  // text of numbers with a fraction
  // Text that is blank, or a usual word for nothing.
  int64_t words_for_none() const { return words_for_none_; }
  // The fewest fields without a column that a payload with this one has brought; 0: not known.
  int64_t fewest_new_fields() const { return fewest_new_fields_; }
  int max_second_digits() const { return max_second_digits_; }  // of times: right of the point
  // Whether every number seen is finite as float4 / float8, and none but zero becomes zero.
  bool fits_float4() const { return fits_float4_; }
  bool fits_float8() const { return fits_float8_; }
  // Whether every number written without point and exponent is certainly represented exactly.
  bool exact_float4() const { return exact_float4_; }
  bool exact_float8() const { return exact_float8_; }
  int64_t min_length() const { return min_length_; }  // characters, of strings
  int64_t max_length() const { return max_length_; }
  // Characters of strings, and of numbers and booleans as JSON text.
  int64_t max_text_length() const { return max_text_length_; }
  // How many of the values, of arrays the elements, have a form that a reading is for; in the order
  // of the forms, those that were seen.
  const std::vector<reading::FormCount>& forms() const { return forms_; }
  // The element-wise evidence of arrays of scalars; whether all arrays are one-dimensional.
  bool arrays_of_scalars() const { return arrays_of_scalars_; }

 private:
  static constexpr int kFormats = 10;

  void AddArray(json::Value array);
  void AddScalar(json::Value scalar);
  bool AddNumber(std::string_view text);  // whether it is an integer
  void AddString(std::string_view text);
  void AddForms(json::Value value);
  void CountForm(reading::Form form, int64_t count);
  template <class Self, class Visitor>
  static void Visit(Self& self, Visitor& visit);
  bool IsPlausible() const;

  int64_t rows_ = 0, absent_ = 0, nulls_ = 0, booleans_ = 0, integers_ = 0, fractions_ = 0;
  int64_t arrays_ = 0, objects_ = 0;
  int64_t formats_[kFormats] = {};
  int integer_bits_ = 16;
  bool written_as_fraction_ = false, fits_float4_ = true, fits_float8_ = true;
  bool exact_float4_ = true, exact_float8_ = true;
  bool arrays_of_scalars_ = true;
  int max_integer_digits_ = 0, max_scale_ = 0, max_second_digits_ = 0;
  int64_t text_fractions_ = 0, words_for_none_ = 0, fewest_new_fields_ = 0;
  int64_t min_length_ = -1, max_length_ = 0, max_text_length_ = 0;
  std::vector<reading::FormCount> forms_;
};

}  // namespace mend::drift
