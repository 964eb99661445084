// Acting as another user by scope.
#pragma once

#include "server/pg/call.h"
#include "server/pg/settings_scope.h"

namespace mend::pg {

// Becomes `user` until the end of the scope. SECURITY_LOCAL_USERID_CHANGE keeps the code run inside
// from SET ROLE and RESET ROLE; SECURITY_RESTRICTED_OPERATION also from temporary tables, LISTEN ...
class AsUser {
 public:
  AsUser(Oid user, int security_flags) {
    GetUserIdAndSecContext(&user_, &flags_);
    SetUserIdAndSecContext(user, flags_ | security_flags);
  }
  ~AsUser() { SetUserIdAndSecContext(user_, flags_); }
  AsUser(const AsUser&) = delete;
  AsUser& operator=(const AsUser&) = delete;

 private:
  Oid user_ = InvalidOid;
  int flags_ = 0;
};

// Keeps pg_mend's own books, whoever called: the tables in schema mend are not open to callers.
// Run nothing but our own SQL with schema-qualified names inside.
class AsBookkeeper : public AsUser {
 public:
  AsBookkeeper() : AsUser(BOOTSTRAP_SUPERUSERID, SECURITY_LOCAL_USERID_CHANGE) {}
};

// Pins search_path (and nothing else) until the end of the scope.
class PinnedSearchPath : public SettingsScope {
 public:
  explicit PinnedSearchPath(const char* path = "pg_catalog, pg_temp") : SettingsScope({{"search_path", path}}) {}
};

}  // namespace mend::pg
