#include "server/apply/submitter.h"

#include "core/base/json.h"
#include "server/pg/catalog.h"
#include "server/pg/transaction.h"

namespace mend::apply {

bool MayInsert(Oid role, Oid target) {
  return pg::Call([&] { return pg_class_aclcheck(target, role, ACL_INSERT) == ACLCHECK_OK; });
}

std::optional<std::string> WhyAbsent(Oid target, std::string_view name) {
  std::string now = pg::QualifiedName(target);
  if (now == name) {
    return std::nullopt;
  }
  return "table " + std::string(name) +
         (now.empty() ? " no longer exists" : " is now called " + now);
}

std::optional<std::string> WhyForeign(const queue::QueuedRow& row, Oid target,
                                      std::string_view target_name) {
  if (row.target_name != target_name) {
    return "it was offered for " + std::string(row.target_name) + ", and that table is now " +
           std::string(target_name);
  }
  std::string name = pg::RoleName(row.submitter);
  if (name.empty()) {
    return "the role that offered it, " + std::string(row.submitted_by) + ", no longer exists";
  }
  if (name != row.submitted_by) {
    return "the role that offered it was " + std::string(row.submitted_by) +
           ", and its OID now belongs to " + name;
  }
  if (!MayInsert(row.submitter, target) && !pg::Call([&] {
        return pg_attribute_aclcheck_all(target, row.submitter, ACL_INSERT, ACLMASK_ANY) ==
               ACLCHECK_OK;
      })) {
    return "the role that offered it, " + name + ", may not insert into the table any more";
  }
  return std::nullopt;
}

Identity::Identity(Oid submitter) {
  pg::Call([&] {
    SetSessionAuthorization(submitter, superuser_arg(submitter));
    SetUserIdAndSecContext(submitter, SECURITY_LOCAL_USERID_CHANGE);
  });
}

Identity::~Identity() {
  // The worker was authenticated as this superuser: going back cannot be refused.
  SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, 0);
  SetSessionAuthorization(BOOTSTRAP_SUPERUSERID, true);
}

namespace {

// Calls `use(name, value)` for the settings that are not what they should be.
template <class Use>
void ForEachSetting(std::string_view json, const Use& use) {
  json::Document document;
  if (document.Parse(json) || document.root().kind() != json::Kind::Object) {
    return;
  }
  json::Value settings = document.root();
  for (json::Value key = settings.First(); key; key = settings.After(key)) {
    const std::string name(key.text());
    const std::string value(settings.ValueOf(key).text());
    const char* now = pg::Call([&] { return GetConfigOption(name.c_str(), true, false); });
    if (now == nullptr || value != now) {
      use(name, value);
    }
  }
}

void SetAll(std::string_view json, GucAction action) {
  ForEachSetting(json, [&](const std::string& name, const std::string& value) {
    pg::Call([&] {
      set_config_option(name.c_str(), value.c_str(), PGC_USERSET, PGC_S_SESSION, action, true, 0,
                        false);
    });
  });
}

}  // namespace

std::optional<std::string> WhyUnset(std::string_view json) {
  std::optional<std::string> why;
  ForEachSetting(json, [&](const std::string& name, const std::string& value) {
    const bool taken = pg::Call([&] {
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

SessionContext::SessionContext(std::string_view json) : nest_level_(NewGUCNestLevel()) {
  SetAll(json, GUC_ACTION_SAVE);
}

// As if rolled back: what a domain's CHECK has set for its session must not meet the worker's next
// transaction.
SessionContext::~SessionContext() { AtEOXact_GUC(false, nest_level_); }

void SetLocalContext(std::string_view json) { SetAll(json, GUC_ACTION_LOCAL); }

void DiscardSession() {
  pg::Transaction transaction;
  pg::Call([] {
    PortalHashTableDeleteAll();
    ResetAllOptions();
    DropAllPreparedStatements();
    Async_UnlistenAll();
    LockReleaseAll(USER_LOCKMETHOD, true);
    ResetTempTableNamespace();
    ResetSequenceCaches();
  });
  transaction.Commit();
}

}  // namespace mend::apply
