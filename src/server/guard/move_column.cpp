#include "server/guard/move_column.h"

namespace mend::guard {
namespace {

struct Attribute {
  char identity = '\0';
  Acl* privileges = nullptr;
  Oid owner = InvalidOid;
};

Attribute Read(Oid relid, int16_t number) {
  Attribute attribute;
  HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(number));
  if (!HeapTupleIsValid(tuple)) {
    elog(ERROR, "cache lookup failed for attribute %d of relation %u", number, relid);
  }
  attribute.identity = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple))->attidentity;
  bool null = false;
  const Datum acl = SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attacl, &null);
  attribute.privileges = null ? nullptr : DatumGetAclPCopy(acl);
  ReleaseSysCache(tuple);
  HeapTuple table = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
  if (!HeapTupleIsValid(table)) {
    elog(ERROR, "cache lookup failed for relation %u", relid);
  }
  attribute.owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(table))->relowner;
  ReleaseSysCache(table);
  return attribute;
}

// Dependencies on the roles included.
void Write(Oid relid, int16_t number, char identity, const Attribute& before, Acl* privileges) {
  Relation attributes = table_open(AttributeRelationId, RowExclusiveLock);
  HeapTuple tuple = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(number));
  if (!HeapTupleIsValid(tuple)) {
    elog(ERROR, "cache lookup failed for attribute %d of relation %u", number, relid);
  }
  Datum values[Natts_pg_attribute] = {};
  bool nulls[Natts_pg_attribute] = {}, replace[Natts_pg_attribute] = {};
  values[Anum_pg_attribute_attidentity - 1] = CharGetDatum(identity);
  replace[Anum_pg_attribute_attidentity - 1] = true;
  values[Anum_pg_attribute_attacl - 1] = PointerGetDatum(privileges);
  nulls[Anum_pg_attribute_attacl - 1] = privileges == nullptr;
  replace[Anum_pg_attribute_attacl - 1] = true;
  HeapTuple changed =
      heap_modify_tuple(tuple, RelationGetDescr(attributes), values, nulls, replace);
  CatalogTupleUpdate(attributes, &changed->t_self, changed);
  InvokeObjectPostAlterHook(RelationRelationId, relid, number);
  table_close(attributes, RowExclusiveLock);
  Oid *members = nullptr, *members_before = nullptr;
  const int count = privileges != nullptr ? aclmembers(privileges, &members) : 0;
  const int count_before =
      before.privileges != nullptr ? aclmembers(before.privileges, &members_before) : 0;
  updateAclDependencies(RelationRelationId, relid, number, before.owner, count_before,
                        members_before, count, members);
}

// The sequence of an identity depends on its column.
void MoveSequence(Oid relid, int16_t from, int16_t to) {
#if PG_VERSION_NUM >= 170000
  Relation relation = table_open(relid, NoLock);
  const Oid sequence = getIdentitySequence(relation, from, false);
  table_close(relation, NoLock);
#else
  const Oid sequence = getIdentitySequence(relid, from, false);
#endif
  deleteDependencyRecordsForClass(RelationRelationId, sequence, RelationRelationId,
                                  DEPENDENCY_INTERNAL);
  ObjectAddress of_sequence, of_column;
  ObjectAddressSet(of_sequence, RelationRelationId, sequence);
  ObjectAddressSubSet(of_column, RelationRelationId, relid, to);
  recordDependencyOn(&of_sequence, &of_column, DEPENDENCY_INTERNAL);
}

}  // namespace

void MoveColumn(Oid relid, int16_t from, int16_t to) {
  pg::Call([&] {
    const Attribute first = Read(relid, from), second = Read(relid, to);
    if (first.identity != '\0') {
      MoveSequence(relid, from, to);
    }
    Write(relid, from, '\0', first, nullptr);
    Write(relid, to, first.identity, second, first.privileges);
    CommandCounterIncrement();
  });
}

void RenameIndex(Oid schema, const std::string& from, const std::string& to) {
  pg::Call([&] {
    const Oid index = get_relname_relid(from.c_str(), schema);
    if (get_rel_relkind(index) != RELKIND_INDEX) {
      elog(ERROR, "pg_mend: there is no index \"%s\"", from.c_str());
    }
    RenameRelationInternal(index, to.c_str(), true, true);
    CommandCounterIncrement();
  });
}

}  // namespace mend::guard
