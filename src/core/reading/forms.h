// Which readings a value looks like it was written for: what profiles count, and rules suggest
// readings by. A closed list, so that it tells nothing of a value but its form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/reading/reading.h"

namespace mend::reading {

// An index into the list of forms.
using Form = uint8_t;

// The reading that takes values of the form, as Print() writes it; of dates with a time, and of
// wrappers, what is behind it says more: "date_dmy with offset".
std::string_view Code(Form form);
std::optional<Form> FormFromCode(std::string_view code);

// Appends every form of the value. Epochs are those of the years 1990 to 2099 alone.
void AppendForms(json::Value value, std::vector<Form>* forms);

// How many values of a class have a form.
struct FormCount {
  Form form = 0;
  int64_t count = 0;
};

// The reading that takes all of `rows` values for a column of the family, where it is the only one
// that does, or says of each the same as the others; nullopt otherwise. `fitting` of them fit as
// they are: they need not be what stands for nothing. `zone_known`: times without an offset are
// points in time.
std::optional<Reading> OnlyReading(Family family, int64_t rows,
                                   const std::vector<FormCount>& counts, int64_t fitting = 0,
                                   bool zone_known = false);

}  // namespace mend::reading
