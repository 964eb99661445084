// A profile as JSON: what mend.drifts.profile holds.
#include <limits>

#include "core/base/json_writer.h"
#include "core/base/number.h"
#include "core/drift/profile.h"

namespace mend::drift {
namespace {

class Writer {
 public:
  Writer() { out_.Object(); }
  void operator()(std::string_view name, int64_t value) { out_.Number(name, value); }
  void operator()(std::string_view name, int value) { out_.Number(name, value); }
  void operator()(std::string_view name, bool value) { out_.Bool(name, value); }
  void Put(std::string_view name, std::string_view text) { out_.Raw(name, text); }
  std::string Finish() { return out_.Close().Take(); }

 private:
  json::Writer out_;
};

// Takes members of an object by name. A missing one keeps its default, so that a profile written
// by an earlier version still reads; one of another type or out of range fails.
class Reader {
 public:
  explicit Reader(json::Value object) : object_(object) {}

  bool ok() const { return ok_; }

  json::Value Find(std::string_view name) const {
    for (json::Value key = object_.First(); key; key = object_.After(key)) {
      if (key.text() == name) return object_.ValueOf(key);
    }
    return {};
  }
  void operator()(std::string_view name, int64_t& value) {
    Number(name, std::numeric_limits<int64_t>::max(), &value);
  }
  void operator()(std::string_view name, int& value) {
    int64_t wide = value;
    Number(name, base::kDigitCap, &wide);
    value = static_cast<int>(wide);
  }
  void operator()(std::string_view name, bool& value) {
    const json::Value found = Find(name);
    if (!found) return;
    value = found.kind() == json::Kind::True;
    ok_ = ok_ && (value || found.kind() == json::Kind::False);
  }

 private:
  void Number(std::string_view name, int64_t max, int64_t* value) {
    const json::Value found = Find(name);
    if (!found) return;
    int64_t number = 0;
    const bool canonical =
        found.kind() == json::Kind::Number && base::ParseInteger(found.text(), &number);
    // -1 is the shortest length of no strings at all.
    ok_ = ok_ && canonical && number >= -1 && number <= max;
    if (ok_) *value = number;
  }

  json::Value object_;
  bool ok_ = true;
};

}  // namespace

template <class Self, class Visitor>
void Profile::Visit(Self& self, Visitor& visit) {
  visit("rows", self.rows_);
  visit("absent", self.absent_);
  visit("nulls", self.nulls_);
  visit("booleans", self.booleans_);
  visit("integers", self.integers_);
  visit("fractions", self.fractions_);
  visit("arrays", self.arrays_);
  visit("objects", self.objects_);
  visit("integer_bits", self.integer_bits_);
  visit("written_as_fraction", self.written_as_fraction_);
  visit("max_integer_digits", self.max_integer_digits_);
  visit("max_scale", self.max_scale_);
  visit("fits_float4", self.fits_float4_);
  visit("fits_float8", self.fits_float8_);
  visit("exact_float4", self.exact_float4_);
  visit("exact_float8", self.exact_float8_);
  visit("min_length", self.min_length_);
  visit("max_length", self.max_length_);
  visit("max_text_length", self.max_text_length_);
  visit("arrays_of_scalars", self.arrays_of_scalars_);
  visit("text_fractions", self.text_fractions_);
  visit("words_for_none", self.words_for_none_);
  visit("max_second_digits", self.max_second_digits_);
  visit("fewest_new_fields", self.fewest_new_fields_);
}

std::string Profile::ToJson() const {
  Writer writer;
  Visit(*this, writer);
  Writer strings;
  for (int i = 0; i < kFormats; ++i) {
    if (formats_[i] != 0) strings(Name(static_cast<Format>(i)), formats_[i]);
  }
  writer.Put("strings", strings.Finish());
  if (!forms_.empty()) {
    Writer readings;
    for (const reading::FormCount& one : forms_) readings(reading::Code(one.form), one.count);
    writer.Put("readings", readings.Finish());
  }
  return writer.Finish();
}

std::optional<Profile> Profile::FromJson(std::string_view text) {
  json::Document document;
  if (document.Parse(text) || document.root().kind() != json::Kind::Object) return std::nullopt;

  Profile profile;
  Reader reader(document.root());
  Visit(profile, reader);
  if (!reader.ok()) return std::nullopt;
  if (const json::Value strings = reader.Find("strings")) {
    if (strings.kind() != json::Kind::Object) return std::nullopt;
    Reader formats(strings);
    for (int i = 0; i < kFormats; ++i) {
      formats(Name(static_cast<Format>(i)), profile.formats_[i]);
    }
    if (!formats.ok()) return std::nullopt;
  }
  if (const json::Value readings = reader.Find("readings")) {
    if (readings.kind() != json::Kind::Object) return std::nullopt;
    Reader counts(readings);
    for (json::Value key = readings.First(); key; key = readings.After(key)) {
      int64_t count = 0;
      counts(key.text(), count);
      // A form of another release is none here.
      const std::optional<reading::Form> form = reading::FormFromCode(key.text());
      if (form && count > 0) profile.CountForm(*form, count);
    }
    if (!counts.ok()) return std::nullopt;
  }
  if (!profile.IsPlausible()) return std::nullopt;
  return profile;
}

bool Profile::IsPlausible() const {
  for (int64_t count :
       {rows_, absent_, nulls_, booleans_, integers_, fractions_, arrays_, objects_,
        text_fractions_, words_for_none_, fewest_new_fields_, max_length_, max_text_length_}) {
    if (count < 0) return false;
  }
  for (int64_t count : formats_) {
    if (count < 0) return false;
  }
  const bool known_bits =
      integer_bits_ == 0 || integer_bits_ == 16 || integer_bits_ == 32 || integer_bits_ == 64;
  return known_bits && max_integer_digits_ >= 0 && max_scale_ >= 0 && max_second_digits_ >= 0;
}

}  // namespace mend::drift
