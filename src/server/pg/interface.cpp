#include "server/pg/interface.h"

#include "server/pg/call.h"

#ifndef MEND_VERSION
#error "MEND_VERSION is set by the build"
#endif

namespace mend::pg {

std::optional<std::string> ObjectsVersion() {
  const char* version = Call([]() -> const char* {
    const char* found = nullptr;
    Relation relation = table_open(ExtensionRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
                CStringGetDatum("pg_mend"));
    SysScanDesc scan = systable_beginscan(relation, ExtensionNameIndexId, true, nullptr, 1, &key);
    HeapTuple tuple = systable_getnext(scan);
    if (HeapTupleIsValid(tuple)) {
      bool null;
      Datum value =
          heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(relation), &null);
      found = null ? nullptr : TextDatumGetCString(value);
    }
    systable_endscan(scan);
    table_close(relation, AccessShareLock);
    return found;
  });
  return version == nullptr ? std::nullopt : std::optional<std::string>(version);
}

bool ObjectsAreOurs() { return ObjectsVersion() == MEND_VERSION; }

void RefuseOldObjects() {
  throw Error(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
              "the objects of pg_mend in this database are of version " +
                  ObjectsVersion().value_or("unknown") +
                  ", its library is of version " MEND_VERSION,
              "ALTER EXTENSION pg_mend UPDATE;");
}

}  // namespace mend::pg
