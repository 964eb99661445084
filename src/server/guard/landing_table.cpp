#include "server/guard/landing_table.h"

#include "server/citus/managed_table.h"
#include "server/citus/shards.h"
#include "server/pg/user.h"

namespace mend::guard {
namespace {

// pg_class of one relation, without the parts that we do not judge.
struct RelationFacts {
  bool exists = false;
  char kind = 0;
  char persistence = 0;
  bool is_partition = false;
  bool is_typed = false;
  Oid schema = InvalidOid;
  NameData name = {};
};

RelationFacts LoadFacts(Oid relid) {
  RelationFacts facts;
  pg::Call([&] {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
    if (HeapTupleIsValid(tuple)) {
      auto* row = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
      facts.exists = true;
      facts.kind = row->relkind;
      facts.persistence = row->relpersistence;
      facts.is_partition = row->relispartition;
      facts.is_typed = OidIsValid(row->reloftype);
      facts.schema = row->relnamespace;
      facts.name = row->relname;
      ReleaseSysCache(tuple);
    }
  });
  return facts;
}

const char* KindInWords(char relkind) {
  switch (relkind) {
    case RELKIND_VIEW: return "a view";
    case RELKIND_MATVIEW: return "a materialized view";
    case RELKIND_FOREIGN_TABLE: return "a foreign table";
    case RELKIND_SEQUENCE: return "a sequence";
    case RELKIND_INDEX:
    case RELKIND_PARTITIONED_INDEX: return "an index";
    case RELKIND_COMPOSITE_TYPE: return "a composite type";
    case RELKIND_TOASTVALUE: return "a TOAST table";
    default: return "no table";
  }
}

std::string RootName(Oid relid) {
  char* name = nullptr;
  pg::Call([&] {
    List* ancestors = get_partition_ancestors(relid);
    Oid root = ancestors == NIL ? relid : llast_oid(ancestors);
    const char* relname = get_rel_name(root);
    const char* schema = get_namespace_name(get_rel_namespace(root));
    name = relname != nullptr && schema != nullptr ? quote_qualified_identifier(schema, relname)
                                                   : pstrdup("");
  });
  return name;
}

[[noreturn]] void Refuse(int sqlstate, const RelationFacts& facts, const char* why,
                         const std::string& hint) {
  throw pg::Error(sqlstate, "table \"" + std::string(NameStr(facts.name)) + "\" cannot be enrolled",
                  hint, why);
}

}  // namespace

void RequireLandingTable(Oid relid) {
  const RelationFacts facts = LoadFacts(relid);
  if (!facts.exists) {
    throw pg::Error(ERRCODE_UNDEFINED_TABLE,
                    "relation with OID " + std::to_string(relid) + " does not exist");
  }
  if (facts.kind != RELKIND_RELATION && facts.kind != RELKIND_PARTITIONED_TABLE) {
    throw pg::Error(ERRCODE_WRONG_OBJECT_TYPE,
                    "\"" + std::string(NameStr(facts.name)) + "\" cannot be enrolled",
                    "Enrol a plain or a partitioned table.",
                    std::string("It is ") + KindInWords(facts.kind) + ".");
  }
  const Oid own_schema = pg::Call([] { return get_namespace_oid("mend", true); });
  if (relid < FirstNormalObjectId) {
    Refuse(ERRCODE_WRONG_OBJECT_TYPE, facts, "It is a system catalog.",
           "Enrol a table of your own.");
  }
  if (facts.schema == own_schema) {
    Refuse(ERRCODE_WRONG_OBJECT_TYPE, facts, "It is one of pg_mend's own tables.",
           "Enrol a table of your own.");
  }
  if (facts.persistence == RELPERSISTENCE_TEMP) {
    Refuse(ERRCODE_FEATURE_NOT_SUPPORTED, facts, "It is temporary: no other session can heal it.",
           "Enrol a permanent or an unlogged table.");
  }
  if (facts.is_partition) {
    Refuse(ERRCODE_WRONG_OBJECT_TYPE, facts,
           "It is a partition: its columns are those of its root.",
           "Enrol the root, " + RootName(relid) + ".");
  }
  citus::RequireCoordinator(relid);
  if (const std::string table = citus::TableOfShard(relid); !table.empty()) {
    Refuse(ERRCODE_WRONG_OBJECT_TYPE, facts, "It is a shard: its columns are those of its table.",
           "Enrol " + table + ", on the coordinator.");
  }
  if (facts.is_typed) {
    Refuse(ERRCODE_FEATURE_NOT_SUPPORTED, facts,
           "It was made OF a type: PostgreSQL adds columns to the type only, not to the table.",
           "ALTER TABLE ... NOT OF makes it an ordinary table.");
  }
}

bool IsAdmin() {
  return pg::Call([] {
    const Oid role = get_role_oid("mend_admin", true);
    return superuser() || (OidIsValid(role) && has_privs_of_role(GetUserId(), role));
  });
}

void RequireAdmin() {
  if (!IsAdmin()) {
    const char* user =
        pg::Call([] { return quote_identifier(GetUserNameFromId(GetUserId(), false)); });
    throw pg::Error(ERRCODE_INSUFFICIENT_PRIVILEGE,
                    "permission denied: this needs membership in role mend_admin",
                    "GRANT mend_admin TO " + std::string(user) + ";");
  }
}

void RequireOwner(Oid relid) {
  const bool owner = pg::Call([&] {
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(RelationRelationId, relid, GetUserId());
#else
    return pg_class_ownercheck(relid, GetUserId());
#endif
  });
  if (!owner) {
    char* name = pg::Call([&] { return get_rel_name(relid); });
    throw pg::Error(
        ERRCODE_INSUFFICIENT_PRIVILEGE,
        "must be owner of table \"" + std::string(name != nullptr ? name : "") + "\"",
        "pg_mend alters the table in its owner's name: only the owner may agree to that.");
  }
}

}  // namespace mend::guard
