// The code that storing a row in a table runs, and who has consented to it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/pg/call.h"

namespace mend::table {

// mend.code_of() as JSON text; "{}" for a table that is gone. Kept in the session until something
// of it changes.
const std::string& CodeOf(Oid target);
// The same as jsonb, good until the next call.
Datum CodeAsJsonb(Oid target);

// Whose code it is that storing a row or changing one runs, where `role` does not have the rights
// of that role: a function, or a domain, that neither he nor a superuser has made. A trigger may be
// a stranger's to the table's owner. nullopt: there is none.
std::optional<std::string> StrangerIn(Oid target, Oid role);

// Why a row that was offered by these roles, when the table's code was `offered_for`, may not be
// stored by them now; empty when it may. `offered_for` empty: unknown, and not held against it.
std::string WhyNoConsent(Oid target, Oid user, Oid session_user, std::string_view offered_for);

// What a patch of ours has changed of a table's code, as jsonb text for mend.patches.code_change;
// empty: nothing.
std::string ChangeOfCode(std::string_view before, std::string_view after);

}  // namespace mend::table
