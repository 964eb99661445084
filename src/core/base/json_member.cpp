#include "core/base/json_member.h"

#include "core/base/number.h"

namespace mend::json {
namespace {

Value MemberOfKind(Value object, std::string_view name, Kind kind) {
  const Value value = Member(object, name);
  return value && value.kind() == kind ? value : Value();
}

}  // namespace

Value Member(Value object, std::string_view name) {
  if (!object || object.kind() != Kind::Object) return {};
  for (Value key = object.First(); key; key = object.After(key)) {
    if (key.text() == name) return object.ValueOf(key);
  }
  return {};
}

std::optional<std::string_view> StringMember(Value object, std::string_view name) {
  const Value value = MemberOfKind(object, name, Kind::String);
  return value ? std::optional(value.text()) : std::nullopt;
}

Value ObjectMember(Value object, std::string_view name) {
  return MemberOfKind(object, name, Kind::Object);
}

Value ArrayMember(Value object, std::string_view name) {
  return MemberOfKind(object, name, Kind::Array);
}

std::optional<int64_t> IntegerMember(Value object, std::string_view name) {
  const Value value = MemberOfKind(object, name, Kind::Number);
  int64_t number;
  if (!value || !base::ParseInteger(value.text(), &number)) return std::nullopt;
  return number;
}

}  // namespace mend::json
