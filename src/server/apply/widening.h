// mend.widenings: how far a widening is, read and written in the caller's transaction.
#pragma once

#include <optional>
#include <string>

#include "core/plan/shape.h"
#include "server/pg/call.h"

namespace mend::apply {

// One that is under way.
struct Widening {
  int64_t patch = 0;
  std::string column;
  std::string step;
  int64_t position = 0;
  int64_t blocks = 0;
  int64_t passed_over = 0;
  int passes = 0;
  int tries = 0;
  Oid target = InvalidOid;
  std::string target_name;
  int16_t attnum = 0;
  int16_t new_attnum = 0;
  std::string type;      // as rendered
  bool narrows = false;  // back to the former type: a patch that was applied is reverted

  // Names of what it adds to the table. They are of one widening alone, also after a restore, and
  // begin as no other name should; the trigger's comes behind those of all others, so that it fires
  // last.
  std::string NewColumn() const { return Name("new"); }
  std::string EqualCheck() const { return Name("equal"); }
  std::string NotNullCheck() const { return Name("not_null"); }
  // Without a part, what the names of all begin with.
  std::string CloneOf() const { return Name("of_"); }
  std::string CloneOf(Oid part) const { return CloneOf() + std::to_string(part); }
  std::string Trigger() const { return "~" + Name("new"); }

 private:
  std::string Name(const std::string& what) const {
    return "mend_widening_" + std::to_string(patch) + "_" + what;
  }
};

// The one of a table that is under way; nullopt: none is. With `due`, only where the worker may go
// on with it now.
std::optional<Widening> FindWidening(Oid target, bool due);

void BeginWidening(const Widening& widening);
// Goes on to a step.
void Advance(const Widening& widening, const char* step);
// Puts it off after an error, for a time that grows, or until a person has decided. `tries` counts
// up; past `most` it waits for a person.
void PutOffWidening(const Widening& widening, const std::string& why, int most);
// Until a person has decided; one whose column is gone is cancelled.
void PauseWidening(int64_t patch, const std::string& why);
// Waits for others: goes on in `ms`.
void DelayWidening(const Widening& widening, const std::string& why, int64_t ms);

}  // namespace mend::apply
