#include "server/guard/move_column.h"

#include <algorithm>

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

// A dependency on the one column becomes one on the other.
void MoveDependency(Oid catalog, Oid object, Oid relid, int16_t from, int16_t to) {
  Relation depend = table_open(DependRelationId, RowExclusiveLock);
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(catalog));
  ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(object));
  SysScanDesc scan = systable_beginscan(depend, DependDependerIndexId, true, nullptr, 2, keys);
  HeapTuple tuple = nullptr;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    auto* row = reinterpret_cast<Form_pg_depend>(GETSTRUCT(tuple));
    if (row->refclassid == RelationRelationId && row->refobjid == relid &&
        row->refobjsubid == from) {
      HeapTuple changed = heap_copytuple(tuple);
      reinterpret_cast<Form_pg_depend>(GETSTRUCT(changed))->refobjsubid = to;
      CatalogTupleUpdate(depend, &changed->t_self, changed);
    }
  }
  systable_endscan(scan);
  table_close(depend, RowExclusiveLock);
}

// Lists of columns in publications.
void MovePublished(Oid relid, int16_t from, int16_t to) {
  Relation published = table_open(PublicationRelRelationId, RowExclusiveLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_publication_rel_prrelid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(relid));
  SysScanDesc scan = systable_beginscan(published, InvalidOid, false, nullptr, 1, &key);
  HeapTuple tuple = nullptr;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    bool null = false;
    const Datum list =
        heap_getattr(tuple, Anum_pg_publication_rel_prattrs, RelationGetDescr(published), &null);
    if (null) {
      continue;
    }
    auto* numbers = reinterpret_cast<int2vector*>(PG_DETOAST_DATUM_COPY(list));
    int16* const last = numbers->values + numbers->dim1;
    int16* const found = std::find(numbers->values, last, from);
    if (found == last) {
      continue;
    }
    *found = to;
    std::sort(numbers->values, last);
    Datum values[Natts_pg_publication_rel] = {};
    bool nulls[Natts_pg_publication_rel] = {}, replace[Natts_pg_publication_rel] = {};
    values[Anum_pg_publication_rel_prattrs - 1] = PointerGetDatum(numbers);
    replace[Anum_pg_publication_rel_prattrs - 1] = true;
    HeapTuple changed =
        heap_modify_tuple(tuple, RelationGetDescr(published), values, nulls, replace);
    CatalogTupleUpdate(published, &changed->t_self, changed);
    MoveDependency(PublicationRelRelationId,
                   reinterpret_cast<Form_pg_publication_rel>(GETSTRUCT(tuple))->oid, relid, from,
                   to);
  }
  systable_endscan(scan);
  table_close(published, RowExclusiveLock);
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
    MovePublished(relid, from, to);
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

void RenameStatistics(Oid schema, const std::string& from, const std::string& to) {
  pg::Call([&] {
    RenameStmt* rename = makeNode(RenameStmt);
    rename->renameType = OBJECT_STATISTIC_EXT;
    rename->object = reinterpret_cast<Node*>(
        list_make2(makeString(get_namespace_name(schema)), makeString(pstrdup(from.c_str()))));
    rename->newname = pstrdup(to.c_str());
    ExecRenameStmt(rename);
    CommandCounterIncrement();
  });
}

}  // namespace mend::guard
