#include "server/api/arguments.h"

namespace mend::api {
namespace {

char* TextChars(Datum value) { return TextDatumGetCString(value); }

}  // namespace

std::optional<std::string> TextArgument(FunctionCallInfo call, int index) {
  if (call->args[index].isnull) {
    return std::nullopt;
  }
  char* value = pg::Call([&] { return TextChars(call->args[index].value); });
  return std::string(value);
}

std::optional<std::string> JsonbArgument(FunctionCallInfo call, int index) {
  if (call->args[index].isnull) {
    return std::nullopt;
  }
  char* text = pg::Call(
      [&] { return DatumGetCString(OidFunctionCall1(F_JSONB_OUT, call->args[index].value)); });
  return std::string(text);
}

std::optional<std::string> NameArgument(FunctionCallInfo call, int index) {
  if (call->args[index].isnull) {
    return std::nullopt;
  }
  return std::string(NameStr(*DatumGetName(call->args[index].value)));
}

std::optional<bool> BoolArgument(FunctionCallInfo call, int index) {
  if (call->args[index].isnull) {
    return std::nullopt;
  }
  return DatumGetBool(call->args[index].value);
}

std::optional<Oid> OidArgument(FunctionCallInfo call, int index) {
  if (call->args[index].isnull) {
    return std::nullopt;
  }
  return DatumGetObjectId(call->args[index].value);
}

std::optional<std::vector<std::string>> TextArrayArgument(FunctionCallInfo call, int index,
                                                          const char* what) {
  if (call->args[index].isnull) {
    return std::nullopt;
  }
  Datum* values = nullptr;
  bool* nulls = nullptr;
  int count = 0;
  pg::Call([&] {
    ArrayType* array = DatumGetArrayTypeP(call->args[index].value);
    deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &values, &nulls, &count);
  });
  std::vector<std::string> result;
  for (int i = 0; i < count; ++i) {
    if (nulls[i]) {
      throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED,
                      std::string(what) + " must not contain nulls");
    }
    char* value = pg::Call([&] { return TextChars(values[i]); });
    result.emplace_back(value);
  }
  return result;
}

std::vector<int64_t> Int8ArrayArgument(FunctionCallInfo call, int index, const char* what) {
  if (call->args[index].isnull) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, std::string(what) + " must not be null");
  }
  Datum* elements = nullptr;
  bool* nulls = nullptr;
  int count = 0;
  pg::Call([&] {
    deconstruct_array(DatumGetArrayTypeP(call->args[index].value), INT8OID, sizeof(int64),
                      FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements, &nulls, &count);
  });
  std::vector<int64_t> numbers;
  for (int i = 0; i < count; ++i) {
    if (nulls[i]) {
      throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED,
                      std::string(what) + " must not have null elements");
    }
    numbers.push_back(DatumGetInt64(elements[i]));
  }
  return numbers;
}

Oid TargetArgument(FunctionCallInfo call, int index) {
  const std::optional<Oid> target = OidArgument(call, index);
  if (!target) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, "target must not be null");
  }
  return *target;
}

}  // namespace mend::api
