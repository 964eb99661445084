#include "core/drift/profile.h"

#include <algorithm>
#include <limits>

#include "core/base/number.h"
#include "core/base/utf8.h"
#include "core/drift/cause.h"

namespace mend::drift {
namespace {

// Counts stop at the largest value: they may come from a stored profile.
void Raise(int64_t* count, int64_t by = 1) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  *count = *count > kMax - by ? kMax : *count + by;
}

// 0 stands for more than 64.
int WiderBits(int a, int b) { return a == 0 || b == 0 ? 0 : std::max(a, b); }

// Digits after the point of a time's seconds: no other point is in such a text.
int SecondDigits(std::string_view text) {
  const size_t point = text.find_last_of('.');
  if (point == std::string_view::npos) return 0;
  size_t end = point + 1;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  return static_cast<int>(end - point - 1);
}

bool HasEvidence(json::Value value) {
  if (value.kind() != json::Kind::Array) return value.kind() != json::Kind::Null;
  for (json::Value v = value.First(); v; v = value.After(v)) {
    if (v.kind() != json::Kind::Null) return true;
  }
  return false;
}

}  // namespace

void Profile::Add(json::Value value) {
  if (!HasEvidence(value)) {
    Raise(&nulls_);
    return;
  }
  Raise(&rows_);
  if (value.kind() == json::Kind::Object) {
    Raise(&objects_);
    AddForms(value);
  } else if (value.kind() == json::Kind::Array) {
    AddArray(value);
  } else {
    AddScalar(value);
  }
}

void Profile::AddArray(json::Value array) {
  Raise(&arrays_);
  for (json::Value v = array.First(); v; v = array.After(v)) {
    if (v.IsScalar()) {
      AddScalar(v);
    } else {
      arrays_of_scalars_ = false;
    }
  }
}

void Profile::AddScalar(json::Value scalar) {
  const std::string_view text = scalar.text();
  AddForms(scalar);
  switch (scalar.kind()) {
    case json::Kind::True:
    case json::Kind::False: Raise(&booleans_); break;
    case json::Kind::Number: Raise(AddNumber(text) ? &integers_ : &fractions_); break;
    case json::Kind::String: AddString(text); return;
    default: return;
  }
  max_text_length_ = std::max(max_text_length_, static_cast<int64_t>(text.size()));
}

bool Profile::AddNumber(std::string_view text) {
  const base::Decimal number = base::Analyse(text);
  if (number.integer) {
    integer_bits_ = WiderBits(integer_bits_, number.integer_bits);
    written_as_fraction_ = written_as_fraction_ || !number.plain;
    // What is written as a fraction asks for the nearest value only.
    exact_float4_ = exact_float4_ && (number.exact_float4 || !number.plain);
    exact_float8_ = exact_float8_ && (number.exact_float8 || !number.plain);
  }
  max_integer_digits_ = std::max(max_integer_digits_, static_cast<int>(number.integer_digits));
  max_scale_ = std::max(max_scale_, static_cast<int>(number.scale));
  fits_float4_ = fits_float4_ && number.fits_float4;
  fits_float8_ = fits_float8_ && number.fits_float8;
  return number.integer;
}

void Profile::AddString(std::string_view text) {
  const Format format = FormatOf(text);
  Raise(&formats_[static_cast<int>(format)]);
  if ((format == Format::Integer || format == Format::Number) && !AddNumber(text)) {
    Raise(&text_fractions_);
  }
  if (format == Format::TimestampTz || format == Format::Timestamp || format == Format::Time) {
    max_second_digits_ = std::max(max_second_digits_, SecondDigits(text));
  }
  if (IsBlank(text) || IsWordForNone(text)) Raise(&words_for_none_);
  const auto length = static_cast<int64_t>(base::CountCharacters(text));
  min_length_ = min_length_ < 0 ? length : std::min(min_length_, length);
  max_length_ = std::max(max_length_, length);
  max_text_length_ = std::max(max_text_length_, length);
}

void Profile::AddForms(json::Value value) {
  std::vector<reading::Form> forms;
  reading::AppendForms(value, &forms);
  for (reading::Form form : forms) CountForm(form, 1);
}

void Profile::CountForm(reading::Form form, int64_t count) {
  const auto at = std::lower_bound(
      forms_.begin(), forms_.end(), form,
      [](const reading::FormCount& one, reading::Form other) { return one.form < other; });
  if (at == forms_.end() || at->form != form) {
    forms_.insert(at, {form, count});
  } else {
    Raise(&at->count, count);
  }
}

void Profile::AddCompany(int64_t new_fields) {
  if (new_fields > 0) {
    fewest_new_fields_ =
        fewest_new_fields_ == 0 ? new_fields : std::min(fewest_new_fields_, new_fields);
  }
}

void Profile::Merge(const Profile& other) {
  Raise(&rows_, other.rows_);
  Raise(&absent_, other.absent_);
  Raise(&nulls_, other.nulls_);
  Raise(&booleans_, other.booleans_);
  Raise(&integers_, other.integers_);
  Raise(&fractions_, other.fractions_);
  Raise(&arrays_, other.arrays_);
  Raise(&objects_, other.objects_);
  Raise(&text_fractions_, other.text_fractions_);
  AddCompany(other.fewest_new_fields_);
  for (const reading::FormCount& one : other.forms_) CountForm(one.form, one.count);
  Raise(&words_for_none_, other.words_for_none_);
  max_second_digits_ = std::max(max_second_digits_, other.max_second_digits_);
  for (int i = 0; i < kFormats; ++i) Raise(&formats_[i], other.formats_[i]);
  integer_bits_ = WiderBits(integer_bits_, other.integer_bits_);
  written_as_fraction_ = written_as_fraction_ || other.written_as_fraction_;
  fits_float4_ = fits_float4_ && other.fits_float4_;
  fits_float8_ = fits_float8_ && other.fits_float8_;
  exact_float4_ = exact_float4_ && other.exact_float4_;
  exact_float8_ = exact_float8_ && other.exact_float8_;
  arrays_of_scalars_ = arrays_of_scalars_ && other.arrays_of_scalars_;
  max_integer_digits_ = std::max(max_integer_digits_, other.max_integer_digits_);
  max_scale_ = std::max(max_scale_, other.max_scale_);
  if (other.min_length_ >= 0) {
    min_length_ = min_length_ < 0 ? other.min_length_ : std::min(min_length_, other.min_length_);
  }
  max_length_ = std::max(max_length_, other.max_length_);
  max_text_length_ = std::max(max_text_length_, other.max_text_length_);
}

int64_t Profile::numbers() const {
  int64_t sum = integers_;
  Raise(&sum, fractions_);
  return sum;
}

int64_t Profile::strings() const {
  int64_t sum = 0;
  for (int64_t count : formats_) Raise(&sum, count);
  return sum;
}

}  // namespace mend::drift
