// Wall 3: the limited role, and the table lent to it for the length of one statement.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/pg/call.h"

namespace mend::guard {

// Why this role may not heal this table, or nullopt: it must exist, be NOLOGIN or at least neither
// superuser, CREATEROLE, CREATEDB, REPLICATION nor BYPASSRLS, nor a member, at any depth, of such a
// role or of pg_execute_server_program, pg_read_server_files, pg_write_server_files, have no ACL
// entry on the table (or its partitions, children and sequences), own nothing, and have USAGE on
// the table's schema.
std::optional<std::string> WhyUnfit(Oid healer, Oid relid);

// Grants the healer USAGE on the table's schema where it lacks it: with a NOTICE if the current
// user may grant it; else throws 42501 with the GRANT as a hint.
void LetIntoSchema(Oid healer, Oid relid);

// Runs one rendered ALTER TABLE as the healer: the table (its partitions and inheritance children
// too) is lent, search_path is empty, the operation security-restricted; afterwards owner, ACLs and
// dependencies are what they were. The caller holds ACCESS EXCLUSIVE on the table, is superuser,
// and is in a transaction that it rolls back on error. Returns why the healer may not, and has done
// nothing then.
std::optional<std::string> AlterAsHealer(Oid relid, Oid healer, const std::string& ddl);

// Statements of a widening (widening_statements.h): rendered here, run as given, each in a sandbox
// that lets them do nothing else.
//
// The same as AlterAsHealer for several of them; `sequence`, if any, may be altered too.
std::optional<std::string> RunAsHealer(Oid relid, Oid healer,
                                       const std::vector<std::string>& statements, Oid sequence);
// One statement that reads the whole table, or that commits in between, as the table's owner: a
// table that is lent is locked. No code runs but built-in functions in expressions of the table.
// Inside of a transaction, or outside of any (pg::RunAlone). `reads`: the statement has PostgreSQL
// look at a foreign key, by queries.
void RunAsOwner(Oid relid, const std::string& statement, bool reads = false);
void RunAloneAsOwner(Oid relid, const std::string& statement, int patience_ms);
// The same of statements that add so many labels to an enum, which is lent as the table is.
std::optional<std::string> AddLabelsAsHealer(Oid relid, Oid enum_type, Oid healer,
                                             const std::string& ddl, int labels);

}  // namespace mend::guard
