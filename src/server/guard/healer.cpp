#include "server/guard/healer.h"

#include "server/citus/alter.h"
#include "server/citus/managed_table.h"
#include "server/citus/shards.h"
#include "server/guard/render.h"
#include "server/guard/sandbox.h"
#include "server/pg/catalog.h"
#include "server/pg/lone_statement.h"
#include "server/pg/memory.h"
#include "server/pg/spi.h"
#include "server/pg/transaction.h"
#include "server/pg/user.h"

namespace mend::guard {
namespace {

bool MayUseSchema(Oid role, Oid schema, AclMode mode) {
  return pg::Call([&] {
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(NamespaceRelationId, schema, role, mode) == ACLCHECK_OK;
#else
    return pg_namespace_aclcheck(schema, role, mode) == ACLCHECK_OK;
#endif
  });
}

Oid SchemaOf(Oid relid) {
  return pg::Call([&] { return get_rel_namespace(relid); });
}

std::string QuotedSchema(Oid schema) {
  const char* name = pg::Call([&]() -> const char* {
    const char* plain = get_namespace_name(schema);
    return plain != nullptr ? quote_identifier(plain) : "";
  });
  return name;
}

std::string QuotedRole(Oid role) {
  const char* name = pg::Call([&] { return quote_identifier(GetUserNameFromId(role, false)); });
  return name;
}

// What makes a role, or a role that it is a member of at any depth, too powerful.
std::optional<std::string> WhyTooPowerful(Oid healer) {
  const pg::Rows rows = pg::RunPrepared(
      "WITH RECURSIVE reach AS ("
      "  SELECT $1 AS roleid"
      "  UNION SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN reach r ON m.member = "
      "r.roleid) "
      "SELECT r.oid = $1, r.rolname, CASE WHEN r.rolsuper THEN 'superuser' WHEN r.rolcreaterole "
      "THEN 'CREATEROLE'"
      "  WHEN r.rolcreatedb THEN 'CREATEDB' WHEN r.rolreplication THEN 'REPLICATION'"
      "  WHEN r.rolbypassrls THEN 'BYPASSRLS' END "
      "FROM reach JOIN pg_catalog.pg_roles r ON r.oid = reach.roleid "
      "WHERE r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls"
      "   OR r.rolname IN ('pg_execute_server_program', 'pg_read_server_files', "
      "'pg_write_server_files',"
      "                    'mend_admin') "
      "ORDER BY 1 DESC, 2 LIMIT 1",
      {pg::ObjectId(healer)});
  if (rows.empty()) {
    return std::nullopt;
  }
  if (rows.boolean(0, 0)) {
    return rows.IsNull(0, 2) ? "It is " + rows.text(0, 1) + " itself."
                             : "It is " + rows.text(0, 2) + ".";
  }
  return "It is a member of \"" + rows.text(0, 1) + "\"" +
         (rows.IsNull(0, 2) ? "." : ", which is " + rows.text(0, 2) + ".");
}

// A table is told apart from what the healer owns only while the healer owns nothing else.
std::optional<std::string> WhyNotDestitute(Oid healer) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT pg_catalog.count(*) FROM pg_catalog.pg_shdepend "
      "WHERE refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND refobjid = $1 AND "
      "deptype = 'o'",
      {pg::ObjectId(healer)});
  if (rows.int8(0, 0) == 0) {
    return std::nullopt;
  }
  return "It owns " + rows.text(0, 0) + (rows.int8(0, 0) == 1 ? " object." : " objects.");
}

// Lending merges the healer's ACL entries with the owner's, and giving back cannot part them again:
// there must be none on anything that changes hands with the table.
std::optional<std::string> WhyEntangled(Oid healer, Oid relid) {
  const pg::Rows rows = pg::RunPrepared(
      "WITH RECURSIVE family AS ("
      "  SELECT $2 AS relid"
      "  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = "
      "f.relid),"
      " lent AS ("
      "  SELECT relid FROM family"
      "  UNION SELECT d.objid FROM pg_catalog.pg_depend d JOIN family f ON d.refobjid = f.relid"
      "        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', "
      "'i')"
      "          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass) "
      "SELECT c.oid::pg_catalog.regclass FROM lent JOIN pg_catalog.pg_class c ON c.oid = "
      "lent.relid "
      "WHERE EXISTS (SELECT FROM pg_catalog.pg_shdepend s"
      "              WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND "
      "s.refobjid = $1"
      "                AND s.deptype = 'a' AND s.dbid = $3"
      "                AND (s.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND s.objid = "
      "c.oid"
      "                  OR s.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND s.objid = "
      "c.reltype)) "
      "ORDER BY 1 LIMIT 1",
      {pg::ObjectId(healer), pg::ObjectId(relid), pg::ObjectId(MyDatabaseId)});
  if (rows.empty()) {
    return std::nullopt;
  }
  return "It has privileges of its own on " + rows.text(0, 0) + ".";
}

struct LentRelation {
  Oid relid;
  Oid owner;
};

Oid OwnerOf(Oid relid) {
  return pg::Call([&] {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
    if (!HeapTupleIsValid(tuple)) {
      elog(ERROR, "cache lookup failed for relation %u", relid);
    }
    const Oid found = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
    ReleaseSysCache(tuple);
    return found;
  });
}

// The table, its partitions and inheritance children, locked. What else they own (indexes, TOAST
// tables, owned sequences, row types) follows them.
std::vector<LentRelation> Family(Oid relid) {
  std::vector<LentRelation> family;
  List* members =
      pg::Call([&] { return find_all_inheritors(relid, AccessExclusiveLock, nullptr); });
  ListCell* cell;
  foreach (cell, members) {
    family.push_back({lfirst_oid(cell), OwnerOf(lfirst_oid(cell))});
  }
  return family;
}

void ChangeOwner(Oid relid, Oid owner) {
  pg::Call([&] { ATExecChangeOwner(relid, owner, false, AccessExclusiveLock); });
}

}  // namespace

std::optional<std::string> WhyUnfit(Oid healer, Oid relid) {
  if (!pg::Call([&] { return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(healer)); })) {
    return "It does not exist.";
  }
  if (std::optional<std::string> why = WhyTooPowerful(healer)) {
    return why;
  }
  if (std::optional<std::string> why = WhyNotDestitute(healer)) {
    return why;
  }
  if (std::optional<std::string> why = WhyEntangled(healer, relid)) {
    return why;
  }
  const Oid schema = SchemaOf(relid);
  if (!MayUseSchema(healer, schema, ACL_USAGE)) {
    const std::string role = QuotedRole(healer);
    return "Role " + role + " lacks USAGE on schema " + QuotedSchema(schema) +
           ": GRANT USAGE ON SCHEMA " + QuotedSchema(schema) + " TO " + role + ".";
  }
  return std::nullopt;
}

void LetIntoSchema(Oid healer, Oid relid) {
  const Oid schema = SchemaOf(relid);
  if (MayUseSchema(healer, schema, ACL_USAGE)) {
    return;
  }
  const std::string name = QuotedSchema(schema);
  const std::string grant = "GRANT USAGE ON SCHEMA " + name + " TO " + QuotedRole(healer);
  if (!MayUseSchema(GetUserId(), schema, ACL_GRANT_OPTION_FOR(ACL_USAGE))) {
    throw pg::Error(ERRCODE_INSUFFICIENT_PRIVILEGE, "the healer lacks USAGE on schema " + name,
                    grant + ";");
  }
  {
    pg::Spi spi;
    spi.Execute(grant.c_str());
  }
  pg::Call([&] { ereport(NOTICE, (errmsg("pg_mend: %s", grant.c_str()))); });
}

namespace {

// Citus alters the shards as the current user, in connections of its own, where a table cannot be
// lent.
void AlterAsOwner(Oid relid, const std::string& ddl) {
  const std::vector<LentRelation> family = Family(relid);
  std::vector<Oid> relids;
  for (const LentRelation& member : family) {
    relids.push_back(member.relid);
  }
  // What the coordinator has of a reference table, or of a local one, is altered in this very
  // process.
  citus::Shard shard;
  if (citus::HasShardHere(citus::FindManagedTable(relid).kind)) {
    for (const citus::Shard& here : citus::ShardsHere(relids)) {
      if (!OidIsValid(shard.relid)) {
        shard = here;
      }
      relids.push_back(here.relid);
    }
  }
  pg::PinnedSearchPath path;
  citus::AlteringScope altering;
  const Oid owner = family.front().owner;
  const pg::ForeignCode as_owner({owner, owner, ""}, pg::ForeignCode::Until::Scope);
  pg::Spi spi;
  Sandbox sandbox(relids, shard);
  spi.Execute(ddl.c_str());
}

// Runs `work` as the healer, to whom the table and its children belong meanwhile.
template <class Work>
void Lend(Oid relid, Oid healer, const Work& work) {
  const std::vector<LentRelation> family = Family(relid);
  std::vector<Oid> relids;
  for (const LentRelation& member : family) {
    ChangeOwner(member.relid, healer);
    relids.push_back(member.relid);
  }
  pg::Call([] { CommandCounterIncrement(); });
  {
    // A rewrite runs the table's CHECKs and index expressions, and event triggers come along.
    const pg::PinnedSearchPath path;
    const pg::ForeignCode as_healer({healer, healer, ""}, pg::ForeignCode::Until::Scope);
    work(relids);
  }
  pg::Call([] { CommandCounterIncrement(); });
  for (const LentRelation& member : family) {
    ChangeOwner(member.relid, member.owner);
  }
  pg::Call([] { CommandCounterIncrement(); });
}

}  // namespace

std::optional<std::string> AlterAsHealer(Oid relid, Oid healer, const std::string& ddl) {
  if (citus::Manages(relid)) {
    AlterAsOwner(relid, ddl);
    pg::Call([] { CommandCounterIncrement(); });
    return std::nullopt;
  }
  if (std::optional<std::string> why = WhyUnfit(healer, relid)) {
    return why;
  }
  Lend(relid, healer, [&](const std::vector<Oid>& family) {
    pg::Spi spi;
    Sandbox sandbox(family);
    spi.Execute(ddl.c_str());
  });
  return std::nullopt;
}

namespace {

// The statements in the current memory context.
Permit PermitFor(const std::vector<std::string>& statements, Oid sequence) {
  Permit permit;
  permit.sequence = sequence;
  for (const std::string& statement : statements) {
    permit.statements.push_back(pg::Call([&] {
      return linitial_node(RawStmt, raw_parser(statement.c_str(), RAW_PARSE_DEFAULT))->stmt;
    }));
  }
  return permit;
}

// Lending merges the healer's privileges on the type with the owner's, and they are not parted
// again.
bool HasPrivilegesOn(Oid healer, Oid type) {
  return !pg::RunPrepared(
              "SELECT FROM pg_catalog.pg_shdepend WHERE refclassid = "
              "'pg_catalog.pg_authid'::pg_catalog.regclass AND refobjid = $1 AND deptype = 'a' AND "
              "dbid = $3 AND classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND objid = $2",
              {pg::ObjectId(healer), pg::ObjectId(type), pg::ObjectId(MyDatabaseId)})
              .empty();
}

void ChangeOwnerOfType(Oid type, Oid owner) {
  pg::Call([&] {
    AlterTypeOwner_oid(type, owner, true);
    CommandCounterIncrement();
  });
}

}  // namespace

std::optional<std::string> RunAsHealer(Oid relid, Oid healer,
                                       const std::vector<std::string>& statements, Oid sequence) {
  if (std::optional<std::string> why = WhyUnfit(healer, relid)) {
    return why;
  }
  Lend(relid, healer, [&](const std::vector<Oid>& family) {
    const Permit permit = PermitFor(statements, sequence);
    pg::Spi spi;
    Sandbox sandbox(family, permit);
    for (const std::string& statement : statements) {
      spi.Execute(statement.c_str());
      pg::Call([] { CommandCounterIncrement(); });
    }
  });
  return std::nullopt;
}

void RunAsOwner(Oid relid, const std::string& statement, bool reads) {
  const std::vector<Oid> family = {relid};
  Permit permit = PermitFor({statement}, InvalidOid);
  permit.reads = reads;
  const Oid owner = OwnerOf(relid);
  const pg::PinnedSearchPath path;
  const pg::ForeignCode as_owner({owner, owner, ""}, pg::ForeignCode::Until::Scope);
  pg::Spi spi;
  Sandbox sandbox(family, permit);
  spi.Execute(statement.c_str());
}

void RunAloneAsOwner(Oid relid, const std::string& statement, int patience_ms) {
  Oid owner = InvalidOid;
  {
    pg::Transaction look;
    owner = OwnerOf(relid);
    look.Commit();
  }
  const pg::Context memory("pg_mend permit", TopMemoryContext);
  const std::vector<Oid> family = {relid};
  Permit permit;
  {
    pg::Switch into(memory.get());
    permit = PermitFor({statement}, InvalidOid);
  }
  Sandbox sandbox(family, permit);
  pg::RunAlone(statement, owner, patience_ms);
}

std::optional<std::string> AddLabelsAsHealer(Oid relid, Oid enum_type, Oid healer,
                                             const std::string& ddl, int labels) {
  if (std::optional<std::string> why = WhyNoLabels(relid, enum_type)) {
    return why;
  }
  if (std::optional<std::string> why = WhyUnfit(healer, relid)) {
    return why;
  }
  const Oid schema = pg::RunPrepared("SELECT typnamespace FROM pg_catalog.pg_type WHERE oid = $1",
                                     {pg::ObjectId(enum_type)})
                         .oid(0, 0);
  if (!MayUseSchema(healer, schema, ACL_USAGE)) {
    const std::string role = QuotedRole(healer);
    return "Role " + role + " lacks USAGE on schema " + QuotedSchema(schema) +
           ": GRANT USAGE ON SCHEMA " + QuotedSchema(schema) + " TO " + role + ".";
  }
  if (HasPrivilegesOn(healer, enum_type)) {
    return "It has privileges of its own on the enum.";
  }
  const Oid owner = pg::OwnerOfType(enum_type);
  ChangeOwnerOfType(enum_type, healer);
  {
    const pg::PinnedSearchPath path;
    const pg::ForeignCode as_healer({healer, healer, ""}, pg::ForeignCode::Until::Scope);
    pg::Spi spi;
    const Sandbox sandbox(enum_type, labels);
    spi.Execute(ddl.c_str());
  }
  pg::Call([] { CommandCounterIncrement(); });
  ChangeOwnerOfType(enum_type, owner);
  return std::nullopt;
}

}  // namespace mend::guard
