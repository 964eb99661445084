// The terms of an enrolment, as mend.enroll and mend.configure take them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/pg/call.h"

namespace mend::api {

// A term that was not given is nullopt.
struct Terms {
  std::optional<std::string> mode;
  std::optional<std::vector<std::string>> allow;
  std::optional<Oid> healer;
  std::optional<std::string> share;
  std::optional<bool> lossless;
  std::optional<std::string> on_conflict;
  std::optional<std::vector<std::string>> carry;
  std::optional<std::string> naive_zone;  // "": none
  std::optional<bool> allow_published;
  std::optional<std::string> rescue;  // "": none
  std::optional<std::vector<std::string>> null_if;
  std::optional<std::string> hints;  // a JSON object: patterns, and types as PostgreSQL prints them
  std::optional<std::string> at;     // "": payloads are the records
  std::optional<bool> online;
  std::optional<std::string> newer_by;  // "": none
};

// Reads the arguments after `target` and checks each by itself. Throws 22004, 22023 or 0A000.
Terms ReadTerms(FunctionCallInfo call);

// Throws unless the caller may name this healer and the healer may heal the table. Lets the healer
// into the table's schema, with a NOTICE, where it lacks USAGE and the caller may grant that.
void CheckHealer(Oid target, Oid healer);

// Throws unless the table has such a column, and its values have an order.
void CheckNewerBy(Oid target, const std::string& column);

// Throws 22023 unless the table has the key that on_conflict 'update' needs.
void CheckKeyForUpdate(Oid target);

// Throws 42703, 42804 or 55000 unless the column of this name can keep rescued values.
void CheckRescueColumn(Oid target, const std::string& column);

// The OID of mend_healer. Throws 42704 when somebody dropped the role.
Oid DefaultHealer();

}  // namespace mend::api
