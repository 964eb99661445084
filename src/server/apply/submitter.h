// Acting for the role that offered a payload.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/pg/user.h"
#include "server/queue/queue_reader.h"

namespace mend::apply {

// Why the table is not the one that was enrolled as `name`: it is gone, or called otherwise;
// nullopt when it is.
std::optional<std::string> WhyAbsent(Oid target, std::string_view name);

// Why a row may not be replayed at all, or nullopt: its role or table no longer answers to both its
// OID and its recorded name (a restore may have given either to somebody else), or the role may not
// insert into the table any more.
std::optional<std::string> WhyForeign(const queue::QueuedRow& row, Oid target,
                                      std::string_view target_name);

// Why a row cannot have the settings of its session again, or nullopt: a restore may have brought
// it to a server without its locale or its time zone.
std::optional<std::string> WhyUnset(std::string_view context);

// Whether a role may insert into all columns of a table (true), or at best into some.
bool MayInsert(Oid role, Oid target);

// Becomes the role that offered a row until the end of the scope, for rules that ask session_user
// as for those that ask current_user. For a worker outside of any other change of user; outlives
// the commit, since deferred triggers run user code then. What runs inside can neither SET nor
// RESET its role.
class Identity {
 public:
  explicit Identity(Oid submitter);
  ~Identity();
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;
};

// The settings that INSERT depends on, as they were when the row was offered, until the end of the
// scope. Set with the current user's own rights: become the submitter first.
class SessionContext {
 public:
  explicit SessionContext(std::string_view json);
  ~SessionContext();
  SessionContext(const SessionContext&) = delete;
  SessionContext& operator=(const SessionContext&) = delete;

 private:
  int nest_level_;
};

// The same settings, until the end of the transaction: they must hold through the commit.
void SetLocalContext(std::string_view json);

// Throws away what user code may have left in the worker's session: settings, prepared statements,
// cursors, temporary tables, listens, advisory locks, sequence caches. DISCARD ALL by its parts,
// since that command is refused inside a function. Runs transactions of its own; call outside of
// any.
void DiscardSession();

}  // namespace mend::apply
