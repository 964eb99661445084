// Acting as another user by scope.
#pragma once

#include "server/pg/call.h"
#include "server/pg/settings_scope.h"

namespace mend::pg {

// Becomes `user` until the end of the scope. SECURITY_LOCAL_USERID_CHANGE keeps the code run inside
// from SET ROLE and RESET ROLE; SECURITY_RESTRICTED_OPERATION also from temporary tables, LISTEN
// ...
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

// Until the end of the scope, names mean what they mean in pg_catalog, whatever the caller has set.
class PinnedSearchPath : public SettingsScope {
 public:
  PinnedSearchPath()
      : SettingsScope({{"search_path", "pg_catalog, pg_temp"}, {"quote_all_identifiers", "off"}}) {}
};

// Keeps pg_mend's own books, whoever called: the tables in schema mend are not open to callers. A
// superuser with the caller's search_path would run the caller's operators, so the two come
// together only. Run nothing but our own SQL inside.
class AsExtensionOwner {
 public:
  AsExtensionOwner() = default;

 private:
  PinnedSearchPath path_;
  AsUser user_{BOOTSTRAP_SUPERUSERID, SECURITY_LOCAL_USERID_CHANGE};
};

}  // namespace mend::pg
