#include "core/plan/wording.h"

#include <algorithm>
#include <iterator>

#include "core/base/json.h"
#include "core/plan/lattice.h"

namespace mend::plan {
namespace {

using namespace type_oid;
using drift::Format;

struct Seen {
  int64_t count;
  std::string_view what;
};

std::string_view ScalarText(uint32_t oid) {
  switch (oid) {
    case kBool: return "boolean";
    case kInt8: return "bigint";
    case kNumeric: return "numeric";
    case kFloat8: return "double precision";
    case kText: return "text";
    case kTime: return "time without time zone";
    case kTimestamp: return "timestamp without time zone";
    case kTimestamptz: return "timestamp with time zone";
    case kJsonb: return "jsonb";
    default: return "another type";
  }
}

}  // namespace

std::string Rows(int64_t count) { return std::to_string(count) + (count == 1 ? " row" : " rows"); }

std::string Named(std::string_view word, std::string_view name) {
  std::string out(word);
  out += ' ';
  json::AppendQuoted(&out, name);
  return out;
}

namespace {

std::string ListEvidence(const drift::Profile& profile, bool counted) {
  int64_t dates = 0;
  for (Format format : {Format::TimestampTz, Format::Timestamp, Format::Date, Format::Time}) {
    dates += profile.strings(format);
  }
  const int64_t numeric_text = profile.strings(Format::Integer) + profile.strings(Format::Number);
  const Seen all[] = {
      {profile.objects(), "objects"},
      {profile.arrays(), "arrays"},
      {profile.booleans(), "booleans"},
      {profile.integers(), "integers"},
      {profile.fractions(), "numbers with a fraction"},
      {numeric_text, "text that is a number"},
      {dates, "text that is a date or time"},
      {profile.strings() - dates - numeric_text, "text that is neither number nor time"},
  };
  const auto kinds = std::count_if(std::begin(all), std::end(all),
                                   [](const Seen& seen) { return seen.count > 0; });
  std::string out;
  for (const Seen& seen : all) {
    if (seen.count <= 0) continue;
    if (!out.empty()) out += ", ";
    out += seen.what;
    if (counted && kinds > 1) out += " (" + std::to_string(seen.count) + ")";
  }
  return out.empty() ? "no value" : out;
}

}  // namespace

std::string Evidence(const drift::Profile& profile) { return ListEvidence(profile, true); }
std::string Kinds(const drift::Profile& profile) { return ListEvidence(profile, false); }

std::string TypeText(const Type& type) {
  const uint32_t element = ElementType(type.oid);
  std::string out(ScalarText(element != 0 ? element : type.oid));
  if (element != 0) out += "[]";
  return out;
}

}  // namespace mend::plan
