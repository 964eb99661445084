// A planner proposes one patch for a table from its shape and its drift.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/drift/drift.h"
#include "core/plan/hint.h"
#include "core/plan/patch.h"
#include "core/plan/reading_rule.h"
#include "core/plan/rename.h"
#include "core/plan/shape.h"

namespace mend::plan {

// What the enrolment and the table's history permit.
struct Policy {
  std::set<ActionKind> allow;
  bool online = false;  // the enrolment lets the worker widen columns online
  int max_columns = 400;
  // Fields whose column a person dropped, or whose patch a person reverted or rejected, with that
  // reason: never touched again by themselves.
  std::vector<std::pair<std::string, std::string>> held_fields;
  // Columns not to be altered, with the reason (a revert, a rejection).
  std::vector<std::pair<std::string, std::string>> held_columns;
  // Of held_fields, those whose column a person dropped, or whose patch a person reverted, with the
  // column's name: what becomes of them is asked once.
  std::map<std::string, std::string> taken_back;
  // Of held_columns, those that a patch added and a person dropped or took back since.
  std::set<std::string> dropped;
  // Actions on a column that a person rejected, with the reason: not suggested again.
  std::map<std::pair<std::string, ActionKind>, std::string> rejected;
  // Of held_columns, those that a cool-down alone holds back.
  std::set<std::string> cooling;
  // What was seen of the columns that rules added and nobody has altered since.
  std::map<std::string, drift::Profile> own;
  std::vector<Hint> hints;            // for the types of new columns
  std::set<std::string> unfit_hints;  // new columns some of whose values the hinted type refuses
  // Of the text columns among these, whether every stored value is as bigint, numeric or boolean
  // has it in JSON.
  struct Texts {
    bool integers = false, numbers = false, booleans = false;
  };
  std::map<std::string, Texts> texts;
  std::set<std::string> empty;  // columns that hold no value in any row, as far as it was looked
  // By column: labels that its enum lacks, of an enum that may be given some.
  std::map<std::string, std::vector<std::string>> labels;
  Clocks clocks;                // how times without an offset are understood
  std::vector<Rename> renames;  // RenameCandidates() whose rows bear them out
};

// Why a planner leaves drift: what decisions are made by.
enum class Why : uint8_t {
  NoRule,      // this kind of drift is answered by no rule
  Held,        // a person took it back
  Cooling,     // the column was changed a short time ago
  NotAllowed,  // by the table's enrolment
  NoRoom,      // for another column
  Locked,      // the catalogs forbid the change of type
  NoType,      // no type of the family holds both what is stored and what comes
  TypeHolds,   // the column's type holds such values already
  NoValue,     // only nulls were seen
  Gone,        // the column
};

// Drift that the planner leaves.
struct Unplanned {
  size_t drift = 0;    // index into the DriftSet
  std::string reason;  // in plain words for a person: no decision reads it
  Why why = Why::NoRule;
};

// A lossless patch that readers or writers of the table would notice, or that is hardly meant: done
// unasked only where the enrolment allows all its actions and `ask` is empty.
struct Suggestion {
  Patch patch;
  std::vector<size_t> drift;  // what it answers to, by index into the DriftSet
  std::string ask;            // why a person is asked whatever the enrolment allows
  bool alternative = false;   // another answer to what the suggestion before it answers to
  // It is asked without those of its actions that the table forbids, and though rows need more.
  bool asked_anyway = false;
};

struct Plan {
  Patch patch;  // empty when nothing is provable
  std::vector<Unplanned> unplanned;
  // For some of the unplanned drift.
  std::vector<Suggestion> suggestions;
};

class Planner {
 public:
  virtual ~Planner() = default;
  virtual std::string_view name() const = 0;
  virtual Plan Propose(const Shape& shape, const drift::DriftSet& drift, const Policy& policy) = 0;
};

}  // namespace mend::plan
