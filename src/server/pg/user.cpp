#include "server/pg/user.h"

#include "core/base/json.h"

namespace mend::pg {
namespace {

int foreign_scopes = 0;

// Calls `use(name, value)` for the settings that are not what they should be.
template <class Use>
void ForEachOther(std::string_view settings, const Use& use) {
  json::Document document;
  if (document.Parse(settings) || document.root().kind() != json::Kind::Object) {
    return;
  }
  json::Value object = document.root();
  for (json::Value key = object.First(); key; key = object.After(key)) {
    const std::string name(key.text());
    const std::string value(object.ValueOf(key).text());
    const char* now = Call([&] { return GetConfigOption(name.c_str(), true, false); });
    if (now == nullptr || value != now) {
      use(name, value);
    }
  }
}

void SetAll(std::string_view settings, GucAction action) {
  ForEachOther(settings, [&](const std::string& name, const std::string& value) {
    Call([&] {
      set_config_option(name.c_str(), value.c_str(), PGC_USERSET, PGC_S_SESSION, action, true, 0,
                        false);
    });
  });
}

// Both users, and is_superuser by the current one. PostgreSQL tells a role that was set from a user
// who logged in; which of them a function asks for, it gets somebody of the same identity.
void Become(Oid user, Oid session_user, bool session_is_superuser, Oid role, bool role_is_superuser,
            int flags) {
  SetUserIdAndSecContext(user, 0);  // not changed under a restriction
  SetSessionAuthorization(session_user, session_is_superuser);
  SetCurrentRoleId(role, role_is_superuser);
  SetUserIdAndSecContext(user, flags);
}

}  // namespace

ForeignCode::Users::Users(const Identity& identity, Until until) {
  GetUserIdAndSecContext(&user_, &flags_);
  session_user_ = GetSessionUserId();
  session_is_superuser_ = GetSessionUserIsSuperuser();
  role_ = GetCurrentRoleId();
  Call([&] {
    // Asked now: at the end there may be no transaction to ask in.
    role_is_superuser_ = OidIsValid(role_) && superuser_arg(role_);
    const bool session_is_superuser = superuser_arg(identity.session_user);
    const bool user_is_superuser = superuser_arg(identity.user);
    Become(identity.user, identity.session_user, session_is_superuser,
           identity.user == identity.session_user ? InvalidOid : identity.user, user_is_superuser,
           until == Until::Statement
               ? 0
               : SECURITY_LOCAL_USERID_CHANGE |
                     (until == Until::Scope ? SECURITY_RESTRICTED_OPERATION : 0));
  });
  ++foreign_scopes;
}

ForeignCode::Users::~Users() {
  --foreign_scopes;
  Become(user_, session_user_, session_is_superuser_, role_, role_is_superuser_, flags_);
}

ForeignCode::ForeignCode(const Identity& identity, Until until)
    : users_(identity, until), settings_(until == Until::Scope) {
  SetAll(identity.settings, until == Until::Scope ? GUC_ACTION_SAVE : GUC_ACTION_LOCAL);
}

JsonSettings::JsonSettings(std::string_view settings) : nest_level_(NewGUCNestLevel()) {
  SetAll(settings, GUC_ACTION_SAVE);
}

void RefuseInForeignCode() {
  if (foreign_scopes > 0) {
    throw Error(ERRCODE_INSUFFICIENT_PRIVILEGE, "code of a table decides nothing about healing",
                "It runs in somebody else's name while his payloads are judged or stored. Call it "
                "from a session of your own.");
  }
}

std::optional<std::string> WhyUnset(std::string_view settings) {
  std::optional<std::string> why;
  ForEachOther(settings, [&](const std::string& name, const std::string& value) {
    const bool taken = Call([&] {
      return set_config_option(name.c_str(), value.c_str(), PGC_USERSET, PGC_S_SESSION,
                               GUC_ACTION_SET, false, DEBUG5, false) != 0;
    });
    if (!taken && !why) {
      why = "it was offered where " + name + " was \"" + value +
            "\", which this server does not take";
    }
  });
  return why;
}

}  // namespace mend::pg
