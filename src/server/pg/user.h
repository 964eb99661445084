// Acting as another user by scope. Nothing else in the tree changes users (test/layering).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/pg/call.h"
#include "server/pg/settings_scope.h"

namespace mend::pg {

// Until the end of the scope, names mean what they mean in pg_catalog, whatever the caller has set.
class PinnedSearchPath : public SettingsScope {
 public:
  PinnedSearchPath()
      : SettingsScope({{"search_path", "pg_catalog, pg_temp"}, {"quote_all_identifiers", "off"}}) {}
};

// The rights of the extension's owner alone, for code of ours that looks up no name and runs no
// SQL.
class OwnerRights {
 public:
  OwnerRights() {
    GetUserIdAndSecContext(&user_, &flags_);
    SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, flags_ | SECURITY_LOCAL_USERID_CHANGE);
  }
  ~OwnerRights() { SetUserIdAndSecContext(user_, flags_); }
  OwnerRights(const OwnerRights&) = delete;
  OwnerRights& operator=(const OwnerRights&) = delete;

 private:
  Oid user_ = InvalidOid;
  int flags_ = 0;
};

// Keeps pg_mend's own books, whoever called: the tables in schema mend are not open to callers. A
// superuser with the caller's search_path would run the caller's operators, so the two come
// together only. Run nothing but our own SQL inside.
class AsExtensionOwner {
 public:
  AsExtensionOwner() = default;

 private:
  PinnedSearchPath path_;
  OwnerRights rights_;
};

// Who somebody is to the code that he runs.
struct Identity {
  Oid user = InvalidOid;          // current_user
  Oid session_user = InvalidOid;  // session_user
  std::string_view settings;      // JSON object: search_path and what else his code depends on
};

// Where code may run that is not ours: a landing table's triggers, expressions, domains, policies.
// It runs with the whole of one identity, and with nothing of ours: current_user, session_user,
// is_superuser and search_path are those of the identity. It cannot change its role, and may decide
// nothing (RefuseInForeignCode).
class ForeignCode {
 public:
  // Scope: the operation is security-restricted, and what the code sets for its session ends with
  // the scope. Transaction: settings hold through the commit, whose deferred triggers are foreign
  // code as well; for a worker, whose session is discarded afterwards. Statement: the same for a
  // statement that makes transactions of its own, which begin without a restriction.
  enum class Until : uint8_t { Scope, Transaction, Statement };

  ForeignCode(const Identity& identity, Until until);
  ~ForeignCode() = default;
  ForeignCode(const ForeignCode&) = delete;
  ForeignCode& operator=(const ForeignCode&) = delete;

 private:
  // Its own object, so that an error about a setting undoes it.
  class Users {
   public:
    Users(const Identity& identity, Until until);
    ~Users();
    Users(const Users&) = delete;
    Users& operator=(const Users&) = delete;

   private:
    Oid user_ = InvalidOid, session_user_ = InvalidOid, role_ = InvalidOid;
    int flags_ = 0;
    bool session_is_superuser_ = false, role_is_superuser_ = false;
  };
  // As if rolled back at its end: what a domain's CHECK has set for its session must not meet what
  // follows.
  class Settings {
   public:
    explicit Settings(bool own_level) : nest_level_(own_level ? NewGUCNestLevel() : 0) {}
    ~Settings() {
      if (nest_level_ > 0) {
        AtEOXact_GUC(false, nest_level_);
      }
    }
    Settings(const Settings&) = delete;
    Settings& operator=(const Settings&) = delete;

   private:
    int nest_level_;
  };

  Users users_;
  Settings settings_;
};

// The settings of an identity until the end of the scope, for code that runs in one's own name.
class JsonSettings {
 public:
  explicit JsonSettings(std::string_view settings);
  ~JsonSettings() { AtEOXact_GUC(false, nest_level_); }
  JsonSettings(const JsonSettings&) = delete;
  JsonSettings& operator=(const JsonSettings&) = delete;

 private:
  int nest_level_;
};

// Throws 42501 inside a ForeignCode: for every entry that decides or changes something in
// somebody's name.
void RefuseInForeignCode();

// Why the settings of an identity cannot be had here, or nullopt: a restore may have brought it to
// a server without its locale or its time zone.
std::optional<std::string> WhyUnset(std::string_view settings);

}  // namespace mend::pg
