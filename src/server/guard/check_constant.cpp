#include "core/plan/lattice.h"
#include "server/guard/nodes.h"
#include "server/guard/types.h"

namespace mend::guard {
namespace {

using namespace plan::type_oid;

bool IsNumber(uint32_t oid) {
  return oid == kInt2 || oid == kInt4 || oid == kInt8 || oid == kNumeric || oid == kFloat4 ||
         oid == kFloat8;
}

bool IsText(uint32_t oid) { return oid == kText || oid == kVarchar || oid == kBpchar; }

bool ReadsTheClock(uint32_t oid) {
  return oid == kDate || oid == kTime || oid == kTimetz || oid == kTimestamp || oid == kTimestamptz;
}

// Takes an ISO 8601 date or time off the front of a text, piece by piece.
class IsoReader {
 public:
  explicit IsoReader(std::string_view written) : rest_(written) {}

  bool Date() { return Digits(4) && Take('-') && Digits(2) && Take('-') && Digits(2); }
  bool Time() {
    if (!Digits(2) || !Take(':') || !Digits(2)) return false;
    if (!Take(':')) return true;
    if (!Digits(2)) return false;
    if (!Take('.')) return true;
    if (!Digits(1)) return false;
    while (Digits(1)) {
    }
    return true;
  }
  bool Offset() {
    if (Take('Z')) return true;
    if (!Take('+') && !Take('-')) return false;
    return Digits(2) && (!Take(':') || Digits(2));
  }
  bool Gap() { return Take('T') || Take(' '); }
  bool End() const { return rest_.empty(); }

 private:
  bool Take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool Digits(size_t count) {
    if (rest_.size() < count) return false;
    for (size_t i = 0; i < count; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return false;
    }
    rest_.remove_prefix(count);
    return true;
  }

  std::string_view rest_;
};

// 'now' and its kin read the clock, a time without an offset the session's time zone.
bool IsFixedTime(std::string_view literal, uint32_t oid) {
  IsoReader iso(literal);
  switch (oid) {
    case kDate: return iso.Date() && iso.End();
    case kTime: return iso.Time() && iso.End();
    case kTimetz: return iso.Time() && iso.Offset() && iso.End();
    case kTimestamp: return iso.Date() && iso.Gap() && iso.Time() && iso.End();
    case kTimestamptz: return iso.Date() && iso.Gap() && iso.Time() && iso.Offset() && iso.End();
    default: return true;
  }
}

Refusal ReadValue(const A_Const* node, uint32_t oid, std::string* literal) {
  const char* mismatch =
      "the DEFAULT is of another type than the column; write it as a quoted text";
  switch (nodeTag(&node->val)) {
    case T_Integer:
      *literal = std::to_string(node->val.ival.ival);
      return IsNumber(oid) || IsText(oid) ? std::nullopt : Refusal(mismatch);
    case T_Float:
      *literal = node->val.fval.fval;
      return IsNumber(oid) || IsText(oid) ? std::nullopt : Refusal(mismatch);
    case T_Boolean:
      *literal = node->val.boolval.boolval ? "true" : "false";
      return oid == kBool ? std::nullopt : Refusal(mismatch);
    case T_BitString:
      *literal = node->val.bsval.bsval;
      return oid == kBit || oid == kVarbit ? std::nullopt : Refusal(mismatch);
    case T_String: *literal = node->val.sval.sval; return std::nullopt;
    default: return mismatch;
  }
}

}  // namespace

Refusal WhyNoValue(const std::string& literal, const plan::Type& type) {
  const uint32_t element = plan::ElementType(type.oid);
  if (element != 0 && ReadsTheClock(element) && literal != "{}") {
    return "a DEFAULT for an array of dates or times can only be '{}'";
  }
  if (!IsFixedTime(literal, type.oid)) {
    return "a DEFAULT for a date or time must be one fixed value in ISO 8601, such as 2024-05-31 "
           "or "
           "2024-05-31T09:30:00Z (with an offset for timestamptz, without for timestamp)";
  }
  const char* chars = literal.c_str();
  const std::optional<pg::Error> error = pg::Attempt([&] {
    pg::Call([&] {
      Oid input = InvalidOid;
      Oid parameter = InvalidOid;
      getTypeInputInfo(type.oid, &input, &parameter);
      OidInputFunctionCall(input, const_cast<char*>(chars), parameter, type.typmod);
    });
  });
  if (error) {
    return "the DEFAULT " + Quote(literal) + " is no value of the column's type";
  }
  return std::nullopt;
}

Refusal ReadConstant(const Node* node, const plan::Type& type,
                     std::optional<std::string>* literal) {
  if (node != nullptr && IsA(node, TypeCast)) {
    const auto* cast = reinterpret_cast<const TypeCast*>(node);
    plan::Type target;
    if (Refusal why = ReadType(cast->typeName, &target)) {
      return why;
    }
    if (target.oid != type.oid || (target.typmod != -1 && target.typmod != type.typmod)) {
      return "the DEFAULT is cast to another type than the column's";
    }
    node = cast->arg;
  }
  if (node == nullptr || !IsA(node, A_Const)) {
    return "a DEFAULT must be one constant, without functions, operators or subqueries";
  }
  const auto* constant = reinterpret_cast<const A_Const*>(node);
  if (constant->isnull) {
    literal->reset();
    return std::nullopt;
  }
  std::string value;
  Refusal why = ReadValue(constant, type.oid, &value);
  if (!why) why = WhyNoValue(value, type);
  *literal = value;
  return why;
}

}  // namespace mend::guard
