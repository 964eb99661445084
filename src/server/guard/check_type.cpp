#include "core/plan/lattice.h"
#include "server/guard/check.h"
#include "server/guard/nodes.h"
#include "server/guard/types.h"

namespace mend::guard {
namespace {

const char* NameAt(const List* names, int index) {
  const Node* node = static_cast<const Node*>(list_nth(names, index));
  return node != nullptr && IsA(node, String) ? strVal(node) : "";
}

Refusal UnknownType(const std::string& name) {
  const bool serial = name.find("serial") != std::string::npos;
  return "type " + Quote(name) +
         (serial ? " makes a sequence and NOT NULL" : " is not on the list") + "; " +
         kListedTypesInWords;
}

// An unqualified name follows the search path, where a schema may shadow a built-in type with a
// domain whose CHECK runs code.
Refusal ResolvePlain(const char* name, const ListedType** listed) {
  const Oid oid = pg::Call([&] { return TypenameGetTypid(name); });
  *listed = FindListed(oid);
  if (*listed != nullptr) {
    return std::nullopt;
  }
  for (const ListedType& type : kListedTypes) {
    if (std::string_view(type.name) == name) {
      return "by the current search_path, type " + Quote(name) +
             " is not the built-in one; write pg_catalog." + name;
    }
  }
  return UnknownType(name);
}

Refusal ResolveQualified(const char* schema, const char* name, const ListedType** listed) {
  if (std::string_view(schema) == "pg_catalog") {
    for (const ListedType& type : kListedTypes) {
      if (std::string_view(type.name) == name) {
        *listed = &type;
        return std::nullopt;
      }
    }
  }
  return UnknownType(std::string(schema) + "." + name);
}

Refusal WhyStrangeModifiers(const TypeName* node) {
  ListCell* cell;
  foreach (cell, node->typmods) {
    const Node* modifier = static_cast<const Node*>(lfirst(cell));
    if (!IsA(modifier, A_Const)) {
      return "type modifiers must be constants";
    }
    const auto* constant = reinterpret_cast<const A_Const*>(modifier);
    if (constant->isnull || !IsA(&constant->val, Integer)) {
      return "type modifiers must be whole numbers";
    }
  }
  return std::nullopt;
}

Refusal ReadArray(const List* bounds, bool* array) {
  *array = bounds != NIL;
  if (!*array) {
    return std::nullopt;
  }
  const Node* bound = static_cast<const Node*>(linitial(bounds));
  if (list_length(bounds) != 1 || !IsA(bound, Integer) || intVal(bound) != -1) {
    return "arrays have one dimension without a size, such as text[]";
  }
  return std::nullopt;
}

}  // namespace

Refusal ReadType(const TypeName* node, plan::Type* type) {
  if (node == nullptr || !IsA(node, TypeName) || node->typeOid != InvalidOid ||
      node->typemod != -1) {
    return "a type name is expected";
  }
  if (node->setof) {
    return "SETOF is not a column type";
  }
  if (node->pct_type) {
    return "%TYPE is not allowed: write the type itself";
  }
  const ListedType* listed = nullptr;
  Refusal why = list_length(node->names) == 1 ? ResolvePlain(NameAt(node->names, 0), &listed)
                : list_length(node->names) == 2
                    ? ResolveQualified(NameAt(node->names, 0), NameAt(node->names, 1), &listed)
                    : UnknownType(NameAt(node->names, list_length(node->names) - 1));
  bool array = false;
  if (!why) why = WhyStrangeModifiers(node);
  if (!why) why = ReadArray(node->arrayBounds, &array);
  if (why) {
    return why;
  }
  Oid oid = InvalidOid;
  int32 typmod = -1;
  const std::optional<pg::Error> error =
      pg::Attempt([&] { pg::Call([&] { typenameTypeIdAndMod(nullptr, node, &oid, &typmod); }); });
  if (error) {
    return "the type is not valid: " + error->fields().message;
  }
  if (oid != (array ? plan::ArrayType(listed->oid) : listed->oid)) {
    return UnknownType(listed->name);
  }
  *type = {oid, typmod};
  return std::nullopt;
}

std::optional<plan::Type> TypeFromText(std::string_view text, std::string* why) {
  const std::string copy(text);
  const TypeName* node = nullptr;
  plan::Type type;
  const std::optional<pg::Error> error = pg::Attempt([&] {
    node = pg::Call([&] {
#if PG_VERSION_NUM >= 160000
      return typeStringToTypeName(copy.c_str(), nullptr);
#else
      return typeStringToTypeName(copy.c_str());
#endif
    });
  });
  const Refusal refusal = error ? Refusal(error->fields().message) : ReadType(node, &type);
  if (refusal) {
    *why = *refusal;
    return std::nullopt;
  }
  return type;
}

}  // namespace mend::guard
