// The kinds of drift (doc/architecture.md, "Words") and one misfit of one payload.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/drift/cause.h"

namespace mend::drift {

enum class Kind : uint8_t {
  NewField,
  TypeConflict,
  OutOfRange,
  TooLong,
  MissingRequired,
  Lossy,
  Ambiguous,
  Generated,
  NoPartition,
  Constraint,
  Malformed,
  Behind,  // nothing is wrong with it: an older payload of the same key waits
};

// "new_field", "type_conflict", ...: as stored in mend.queue.kind.
std::string_view Name(Kind kind);
std::optional<Kind> KindFromName(std::string_view name);

// True for kinds that no DDL can heal: such a row is a dead letter at once. Constraint with
// SQLSTATE 23503 (the referenced row may arrive late) is the caller's exception.
bool IsFinal(Kind kind);

// Whether the type of the column is what does not take the value.
inline bool IsAboutType(Kind kind) {
  return kind == Kind::TypeConflict || kind == Kind::OutOfRange || kind == Kind::TooLong ||
         kind == Kind::Lossy;
}

// One field of one payload not fitting.
struct Misfit {
  Kind kind = Kind::Malformed;
  std::string field;     // the payload's key; empty when no single field is to blame
  std::string column;    // the column it resolves to; empty for a new field
  std::string sqlstate;  // what PostgreSQL reports, or would report, for it
  std::string message;   // may quote the value: for the queue only, never for a prompt
  uint32_t token = 0;    // index of the value on the payload's tape; 0: the value is absent
  Cause cause = Cause::Unspecified;
  std::string about{};  // what the cause is about: a constraint, the other key; may be the sender's
  std::string read{};   // the JSON of what a reading makes of the value, if that does not fit
};

}  // namespace mend::drift
