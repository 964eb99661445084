#include "server/convert/fault.h"

#include "core/base/utf8.h"

namespace mend::convert {
namespace {

constexpr size_t kMaxQuoted = 200;

drift::Cause CauseOfText(TypeClass type_class, std::string_view text) {
  using drift::Cause;
  switch (type_class) {
    case TypeClass::Int2:
    case TypeClass::Int4:
    case TypeClass::Int8:
    case TypeClass::Numeric:
    case TypeClass::Float4:
    case TypeClass::Float8:
    case TypeClass::Money:
    case TypeClass::Unsigned: return drift::CauseOfTextForNumber(text);
    default: break;
  }
  if (drift::IsBlank(text)) {
    return Cause::EmptyText;
  }
  if (drift::IsWordForNone(text)) {
    return Cause::WordForNone;
  }
  switch (type_class) {
    case TypeClass::Bool: return Cause::NotABoolean;
    case TypeClass::Date:
    case TypeClass::Time:
    case TypeClass::TimeTz:
    case TypeClass::Timestamp:
    case TypeClass::TimestampTz: return Cause::NotATime;
    case TypeClass::Uuid: return Cause::NotAUuid;
    case TypeClass::Enum: return Cause::NotALabel;
    case TypeClass::Array:
    case TypeClass::Vector: return Cause::ScalarForArray;
    default: return Cause::BadSyntax;
  }
}

}  // namespace

drift::Cause CauseOf(TypeClass type_class, json::Value value) {
  using drift::Cause;
  const bool number = value.kind() == json::Kind::Number;
  switch (value.kind()) {
    case json::Kind::Array:
      return type_class == TypeClass::Array ? Cause::RaggedArray : Cause::ArrayForScalar;
    case json::Kind::Object: return Cause::ObjectForScalar;
    case json::Kind::String: return CauseOfText(type_class, value.text());
    default: break;
  }
  switch (type_class) {
    case TypeClass::Int2:
    case TypeClass::Int4:
    case TypeClass::Int8:
    case TypeClass::Numeric:
    case TypeClass::Float4:
    case TypeClass::Float8:
    case TypeClass::Money:
    case TypeClass::Unsigned: return number ? Cause::BadSyntax : Cause::BooleanForNumber;
    case TypeClass::Bool: return number ? Cause::NumberForBoolean : Cause::NotABoolean;
    case TypeClass::Date:
    case TypeClass::Time:
    case TypeClass::TimeTz:
    case TypeClass::Timestamp:
    case TypeClass::TimestampTz:
    case TypeClass::Interval: return number ? Cause::NumberForTime : Cause::NotATime;
    case TypeClass::Uuid: return Cause::NotAUuid;
    case TypeClass::Enum: return Cause::NotALabel;
    case TypeClass::Array:
    case TypeClass::Vector: return Cause::ScalarForArray;
    default: return Cause::BadSyntax;
  }
}

std::string Quote(std::string_view text) {
  std::string out = "\"";
  out += base::CutUtf8(text, kMaxQuoted);
  out += text.size() > kMaxQuoted ? "...\"" : "\"";
  return out;
}

std::string Quote(json::Value value) {
  return value.IsScalar() ? Quote(value.text()) : Quote(value.Serialise());
}

Fault FaultOf(const pg::Error& error) {
  Fault fault;
  fault.sqlstate = error.sqlstate();
  fault.message = error.fields().message;
  if (error.sqlerrcode() == ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE) {
    fault.kind = drift::Kind::OutOfRange;
    fault.cause = drift::Cause::OutOfRange;
  } else if (error.sqlerrcode() == ERRCODE_STRING_DATA_RIGHT_TRUNCATION || error.IsClass("54")) {
    fault.kind = drift::Kind::TooLong;
    fault.cause = error.IsClass("54") ? drift::Cause::TooLarge : drift::Cause::TooLong;
  } else if (error.IsClass("23")) {
    fault.kind = drift::Kind::Constraint;
    fault.cause = drift::Cause::DomainCheck;
    fault.about = error.fields().constraint.value_or("");
  } else {
    fault.kind = drift::Kind::TypeConflict;
    fault.cause = drift::Cause::BadSyntax;
  }
  return fault;
}

}  // namespace mend::convert
