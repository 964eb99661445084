#include "server/pg/work_transaction.h"

#include "server/pg/interface.h"

namespace mend::pg {
namespace {

constexpr const char* kExtension = "pg_mend";

}  // namespace

bool LockExtension() {
  return Call([] {
           Oid extension = get_extension_oid(kExtension, true);
           if (!OidIsValid(extension)) {
             return false;
           }
           LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
           // It may have been dropped while we waited for the lock.
           return get_extension_oid(kExtension, true) == extension;
         }) &&
         ObjectsAreOurs();
}

WorkTransaction::WorkTransaction() {
  if (!LockExtension()) {
    throw Error(ERRCODE_UNDEFINED_OBJECT,
                "extension pg_mend was dropped, or updated to another version");
  }
}

}  // namespace mend::pg
