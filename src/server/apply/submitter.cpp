#include "server/apply/submitter.h"

#include "server/pg/catalog.h"
#include "server/pg/transaction.h"
#include "server/pg/user.h"
#include "server/queue/row_outcome.h"
#include "server/table/code.h"

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

namespace {

// Why a role is not the one that it was, or empty.
std::string WhyOther(const char* what, Oid role, std::string_view name) {
  const std::string now = pg::RoleName(role);
  if (now.empty()) {
    return std::string(what) + ", " + std::string(name) + ", no longer exists";
  }
  if (now != name) {
    return std::string(what) + " was " + std::string(name) + ", and its OID now belongs to " + now;
  }
  return "";
}

std::string WhyForeign(const queue::QueuedRow& row, Oid target, std::string_view target_name) {
  if (row.target_name != target_name) {
    return "it was offered for " + std::string(row.target_name) + ", and that table is now " +
           std::string(target_name);
  }
  std::string why = WhyOther("the role that offered it", row.submitter, row.submitted_by);
  if (why.empty() && row.session_submitter != row.submitter) {
    why = WhyOther("the role in whose session it was offered", row.session_submitter,
                   row.session_submitted_by);
  }
  if (why.empty() && !MayInsert(row.submitter, target) && !pg::Call([&] {
        return pg_attribute_aclcheck_all(target, row.submitter, ACL_INSERT, ACLMASK_ANY) ==
               ACLCHECK_OK;
      })) {
    return "the role that offered it, " + std::string(row.submitted_by) +
           ", may not insert into the table any more";
  }
  return why;
}

}  // namespace

std::optional<Refusal> WhyRefused(const queue::QueuedRow& row, Oid target,
                                  std::string_view target_name) {
  std::string why = WhyForeign(row, target, target_name);
  if (!why.empty()) {
    return Refusal{"42704", std::move(why)};
  }
  if (std::optional<std::string> unset = pg::WhyUnset(row.context)) {
    return Refusal{"22023", std::move(*unset)};
  }
  why = table::WhyNoConsent(target, row.submitter, row.session_submitter, row.code);
  if (!why.empty()) {
    return Refusal{queue::kChangedCode, std::move(why)};
  }
  return std::nullopt;
}

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
