#include "server/apply/owner_query.h"

#include "server/citus/managed_table.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"

namespace mend::apply {

void RefuseRevert(int64_t patch_id, const std::string& why, const std::string& hint) {
  throw pg::Error(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                  "patch " + std::to_string(patch_id) + " cannot be reverted: " + why, hint);
}

namespace {

// Reads the table as its owner: see RunAsOwner().
class AsOwner {
 public:
  explicit AsOwner(Oid owner) : owner_({owner, owner, ""}, pg::ForeignCode::Until::Scope) {}

 private:
  // A row that a policy hides would be lost: such a query fails.
  pg::SettingsScope all_rows_{{"row_security", "off"}};
  pg::ForeignCode owner_;
};

struct Owned {
  Oid owner = InvalidOid;
  bool forced_policies = false;  // row security binds the owner too
};

Owned OwnerOf(Oid relid) {
  return pg::Call([&] {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
    if (!HeapTupleIsValid(tuple)) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                      errmsg("relation with OID %u does not exist", relid)));
    }
    auto* form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
    const Owned owned = {form->relowner, form->relforcerowsecurity};
    ReleaseSysCache(tuple);
    return owned;
  });
}

}  // namespace

LoosePolicies::LoosePolicies(Oid relid)
    : forced_(OwnerOf(relid).forced_policies),
      managed_(citus::Manages(relid)),
      owner_(OwnerOf(relid).owner),
      table_(pg::QualifiedName(relid)) {
  if (forced_) {
    Alter(" NO FORCE ROW LEVEL SECURITY");
  }
}

void LoosePolicies::Restore() {
  if (forced_) {
    Alter(" FORCE ROW LEVEL SECURITY");
  }
}

void LoosePolicies::Alter(const char* how) {
  if (managed_) {
    const pg::ForeignCode as_owner({owner_, owner_, ""}, pg::ForeignCode::Until::Scope);
    pg::Spi spi;
    spi.Execute(("ALTER TABLE " + table_ + how).c_str());
  } else {
    pg::RunOnce("ALTER TABLE ONLY " + table_ + how);
  }
}

base::Result<uint64_t> RunAsOwner(int64_t patch_id, Oid relid, const std::string& sql) {
  uint64_t rows = 0;
  const Oid owner = OwnerOf(relid).owner;
  const std::optional<pg::Error> failure = pg::Attempt([&] {
    AsOwner as_owner(owner);
    pg::Spi spi;
    rows = spi.Execute(sql.c_str());
  });
  if (!failure) {
    return rows;
  }
  if (failure->IsClass("22")) {
    return base::Error{failure->sqlstate(), failure->what(), ""};
  }
  if (failure->sqlerrcode() == ERRCODE_INSUFFICIENT_PRIVILEGE) {
    RefuseRevert(patch_id,
                 "the table's owner cannot read all of it: " + std::string(failure->what()),
                 "Give the owner SELECT on it.");
  }
  throw *failure;
}

}  // namespace mend::apply
