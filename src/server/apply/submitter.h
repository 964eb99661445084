// Acting for the role that offered a payload.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/queue/queue_reader.h"

namespace mend::apply {

// Why the table is not the one that was enrolled as `name`: it is gone, or called otherwise;
// nullopt when it is.
std::optional<std::string> WhyAbsent(Oid target, std::string_view name);

// Why a row may not be replayed.
struct Refusal {
  std::string sqlstate, reason;
};

// nullopt when it may. Not where one of its roles or its table no longer answers to both its OID
// and its recorded name (a restore may have given either to somebody else), the role may not insert
// into the table any more, its session's settings cannot be had again, or the table runs other code
// now than when the row was offered (queue::kChangedCode).
std::optional<Refusal> WhyRefused(const queue::QueuedRow& row, Oid target,
                                  std::string_view target_name);

// Whether a role may insert into all columns of a table (true), or at best into some.
bool MayInsert(Oid role, Oid target);

// Throws away what user code may have left in the worker's session: settings, prepared statements,
// cursors, temporary tables, listens, advisory locks, sequence caches. DISCARD ALL by its parts,
// since that command is refused inside a function. Runs transactions of its own; call outside of
// any.
void DiscardSession();

}  // namespace mend::apply
