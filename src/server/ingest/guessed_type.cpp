#include "server/ingest/guessed_type.h"

#include "core/base/number.h"
#include "server/pg/call.h"

namespace mend::ingest {
namespace {

bool IsWrittenAsFraction(std::string_view text) {
  return text.find_first_of(".eE") != std::string_view::npos && base::IsJsonNumber(text);
}

}  // namespace

bool IsNoText(const json::Value& value) {
  return value.IsScalar() && value.kind() != json::Kind::String && value.kind() != json::Kind::Null;
}

bool IsNoText(const convert::JsonbPart& value) {
  return !value.IsString() && !value.IsNull() && !value.IsContainer();
}

bool IsNoPlainInteger(const json::Value& value) {
  return (value.kind() == json::Kind::Number || value.kind() == json::Kind::String) &&
         IsWrittenAsFraction(value.text());
}

bool IsNoPlainInteger(const convert::JsonbPart& value) {
  if (value.IsString()) {
    return IsWrittenAsFraction(value.text());
  }
  return value.IsNumber() && pg::Call([&] {
           return DatumGetInt32(DirectFunctionCall1(numeric_scale, PointerGetDatum(value.data))) >
                  0;
         });
}

}  // namespace mend::ingest
