// Reading Citus's own catalogs.
#pragma once

#include <cstring>

#include "server/pg/call.h"

namespace mend::citus {

// Calls read(tuple, description) for rows of one of Citus's catalogs until it returns true; never
// where there is no Citus. Only superusers can make a relation in pg_catalog. Without a key, all
// rows. Runs in a Call.
template <class Read>
void ReadCatalog(const char* name, const char* index, const char* key, Oid equal, Datum value,
                 const Read& read) {
  const Oid relid = get_relname_relid(name, PG_CATALOG_NAMESPACE);
  if (!OidIsValid(relid)) {
    return;
  }
  Relation catalog = table_open(relid, AccessShareLock);
  const Oid by = index != nullptr ? get_relname_relid(index, PG_CATALOG_NAMESPACE) : InvalidOid;
  const AttrNumber column = key != nullptr ? get_attnum(relid, key) : InvalidAttrNumber;
  if (key == nullptr || column != InvalidAttrNumber) {
    ScanKeyData scan_key;
    if (key != nullptr) {
      ScanKeyInit(&scan_key, column, BTEqualStrategyNumber, equal, value);
    }
    SysScanDesc scan =
        systable_beginscan(catalog, by, OidIsValid(by), nullptr, key != nullptr ? 1 : 0,
                           key != nullptr ? &scan_key : nullptr);
    HeapTuple tuple;
    while (HeapTupleIsValid(tuple = systable_getnext(scan)) &&
           !read(tuple, RelationGetDescr(catalog))) {
    }
    systable_endscan(scan);
  }
  table_close(catalog, AccessShareLock);
}

// Null where the catalog has no such column.
inline NullableDatum GetColumn(HeapTuple tuple, TupleDesc description, const char* column) {
  NullableDatum got = {0, true};
  for (int i = 0; i < description->natts; ++i) {
    const FormData_pg_attribute* form = TupleDescAttr(description, i);
    if (!form->attisdropped && strcmp(NameStr(form->attname), column) == 0) {
      got.value = heap_getattr(tuple, i + 1, description, &got.isnull);
    }
  }
  return got;
}

}  // namespace mend::citus
