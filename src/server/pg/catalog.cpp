#include "server/pg/catalog.h"

namespace mend::pg {
namespace {

std::string Taken(char* text) {
  if (text == nullptr) {
    return {};
  }
  std::string copy(text);
  pfree(text);
  return copy;
}

// Names are compared with what was written down before: the session's setting must not quote them
// otherwise.
class PlainQuotes {
 public:
  PlainQuotes() : was_(quote_all_identifiers) { quote_all_identifiers = false; }
  ~PlainQuotes() { quote_all_identifiers = was_; }
  PlainQuotes(const PlainQuotes&) = delete;
  PlainQuotes& operator=(const PlainQuotes&) = delete;

 private:
  bool was_;
};

}  // namespace

std::string QualifiedName(Oid relid) {
  const PlainQuotes plain;
  return Taken(Call([&]() -> char* {
    char* name = get_rel_name(relid);
    char* schema = name != nullptr ? get_namespace_name(get_rel_namespace(relid)) : nullptr;
    return schema != nullptr ? quote_qualified_identifier(schema, name) : nullptr;
  }));
}

std::string QuoteIdentifier(const std::string& name) {
  const PlainQuotes plain;
  const char* quoted = Call([&] { return quote_identifier(name.c_str()); });
  return quoted;
}

std::string RoleName(Oid role) {
  return Taken(Call([&] { return GetUserNameFromId(role, true); }));
}

Oid OwnerOf(Oid relid) {
  return Call([&] {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
    if (!HeapTupleIsValid(tuple)) {
      return InvalidOid;
    }
    const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
    ReleaseSysCache(tuple);
    return owner;
  });
}

Oid OwnerOfType(Oid type) {
  return Call([&] {
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
    if (!HeapTupleIsValid(tuple)) {
      return InvalidOid;
    }
    const Oid owner = reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple))->typowner;
    ReleaseSysCache(tuple);
    return owner;
  });
}

Oid RoleByName(const std::string& name) {
  return Call([&] { return get_role_oid(name.c_str(), true); });
}

}  // namespace mend::pg
