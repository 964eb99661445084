#include "core/mcp/schema.h"

#include <set>

#include "core/base/json_member.h"
#include "core/base/number.h"
#include "core/base/utf8.h"

namespace mend::mcp {
namespace {

bool IsOfType(std::string_view type, json::Value value) {
  int64_t unused;
  switch (value.kind()) {
    case json::Kind::Null: return type == "null";
    case json::Kind::False:
    case json::Kind::True: return type == "boolean";
    case json::Kind::Number:
      return type == "number" || (type == "integer" && base::ParseInteger(value.text(), &unused));
    case json::Kind::String: return type == "string";
    case json::Kind::Array: return type == "array";
    case json::Kind::Object: return type == "object";
  }
  return false;
}

class Check {
 public:
  // Empty when it holds.
  std::string Value(json::Value schema, json::Value value, const std::string& place) {
    const auto type = json::StringMember(schema, "type");
    if (type && !IsOfType(*type, value)) {
      return place + " must be of type " + std::string(*type);
    }
    if (std::string why = Alternatives(schema, value, place); !why.empty()) return why;
    switch (value.kind()) {
      case json::Kind::Number: return Range(schema, value, place);
      case json::Kind::String:
        return Limits(schema, "Length", base::CountCharacters(value.text()), "characters", place);
      case json::Kind::Array: return Elements(schema, value, place);
      case json::Kind::Object: return Members(schema, value, place);
      default: return {};
    }
  }

 private:
  std::string Alternatives(json::Value schema, json::Value value, const std::string& place) {
    if (const json::Value any = json::ArrayMember(schema, "anyOf")) {
      bool fits = false;
      for (json::Value one = any.First(); one && !fits; one = any.After(one)) {
        fits = Value(one, value, place).empty();
      }
      if (!fits) return place + " is of none of the types that it may have";
    }
    const json::Value allowed = json::ArrayMember(schema, "enum");
    if (!allowed) return {};
    std::string names;
    for (json::Value one = allowed.First(); one; one = allowed.After(one)) {
      if (value.kind() == one.kind() && value.text() == one.text()) return {};
      names += (names.empty() ? "" : ", ") + std::string(one.text());
    }
    return place + " must be one of " + names;
  }

  std::string Range(json::Value schema, json::Value value, const std::string& place) {
    int64_t number;
    if (!base::ParseInteger(value.text(), &number)) return {};
    const auto least = json::IntegerMember(schema, "minimum");
    const auto most = json::IntegerMember(schema, "maximum");
    if (least && number < *least) return place + " must be at least " + std::to_string(*least);
    if (most && number > *most) return place + " must be at most " + std::to_string(*most);
    return {};
  }

  std::string Limits(json::Value schema, const std::string& what, size_t size, const char* unit,
                     const std::string& place) {
    const auto least = json::IntegerMember(schema, "min" + what);
    const auto most = json::IntegerMember(schema, "max" + what);
    if (least && size < static_cast<uint64_t>(*least)) {
      return place + " must have at least " + std::to_string(*least) + ' ' + unit;
    }
    if (most && size > static_cast<uint64_t>(*most)) {
      return place + " must have at most " + std::to_string(*most) + ' ' + unit;
    }
    return {};
  }

  std::string Elements(json::Value schema, json::Value value, const std::string& place) {
    if (std::string why = Limits(schema, "Items", value.token().size, "elements", place);
        !why.empty()) {
      return why;
    }
    const json::Value items = json::ObjectMember(schema, "items");
    if (!items) return {};
    for (json::Value one = value.First(); one; one = value.After(one)) {
      if (std::string why = Value(items, one, "an element of " + place); !why.empty()) return why;
    }
    return {};
  }

  std::string Members(json::Value schema, json::Value value, const std::string& place) {
    const json::Value properties = json::ObjectMember(schema, "properties");
    const json::Value additional = json::Member(schema, "additionalProperties");
    const bool closed = additional && additional.kind() == json::Kind::False;
    std::set<std::string_view> seen;
    for (json::Value key = value.First(); key; key = value.After(key)) {
      const bool first = seen.insert(key.text()).second;
      const json::Value property = json::ObjectMember(properties, key.text());
      if (!first || (!property && closed)) {
        return place +
               (first ? " has a member that the schema does not have" : " has a member twice");
      }
      if (!property) continue;
      if (std::string why = Value(property, value.ValueOf(key), std::string(key.text()));
          !why.empty()) {
        return why;
      }
    }
    const json::Value required = json::ArrayMember(schema, "required");
    for (json::Value name = required ? required.First() : json::Value(); name;
         name = required.After(name)) {
      if (seen.count(name.text()) == 0) return place + " lacks " + std::string(name.text());
    }
    return {};
  }
};

}  // namespace

std::string WhyNotValid(json::Value schema, json::Value value) {
  return Check().Value(schema, value, "the input");
}

}  // namespace mend::mcp
