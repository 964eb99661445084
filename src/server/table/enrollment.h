// Under which terms a table is enrolled.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/json_pointer.h"
#include "core/plan/hint.h"
#include "core/plan/patch.h"
#include "server/pg/call.h"

namespace mend::table {

enum class Mode : uint8_t { Auto, Review, Paused };
enum class OnConflict : uint8_t { DeadLetter, Ignore, Update, Raise };

struct Enrollment {
  Oid target = InvalidOid;
  std::string target_name;  // schema-qualified, as enrolled
  Mode mode = Mode::Auto;
  std::set<plan::ActionKind> allow;
  std::string healer;
  bool lossless = true;
  OnConflict on_conflict = OnConflict::DeadLetter;
  std::vector<std::string> carry;
  std::optional<std::string> naive_zone;
  bool allow_published = false;
  std::set<std::string> lossy_columns;  // mend.accept_loss()
  std::optional<std::string> newer_by;  // a column
  std::string rescue;                   // the rescue column; empty: rows are not rescued
  std::vector<std::string> null_if;     // texts that stand for nothing in columns that are not text
  std::set<std::string> bound_columns;  // with `rescue`: whose values are never rescued
  // With `rescue`: to which no rescued value moves, since who may write the one column may not
  // write the other.
  std::set<std::string> closed_columns;
  std::vector<plan::Hint> hints;  // for the types of new columns
  json::Pointer at;               // where the record is in a payload
  bool online = false;            // columns may be widened online, unasked
  bool at_home = false;           // system identifier and database OID are this database's
};

// One row of mend.fields.
struct FieldRecord {
  std::string field;
  std::optional<std::string> column;  // nullopt with held empty: the field is ignored
  std::string held;                   // why the field is never given a column again by itself
  std::string reading{};              // how its values are read; empty: plainly
};

// Read from the tables as the extension's owner. nullopt: not enrolled.
std::optional<Enrollment> LoadEnrollment(Oid target);
std::vector<FieldRecord> LoadFields(Oid target);

// Numbers of the columns into which others of the table are being widened.
std::vector<int16_t> SecondColumns(Oid target);

// Marks the columns that rules have added and nobody has altered since.
void MarkOwnColumns(plan::Shape* shape);

// 55000, with the call that would enrol the table as the hint.
[[noreturn]] void ThrowNotEnrolled(Oid target);
void RequireEnrolled(Oid target);

}  // namespace mend::table
