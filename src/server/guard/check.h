// Wall 1: a proposed DDL text becomes typed actions, or is refused. Never executes anything.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/plan/patch.h"
#include "core/plan/shape.h"

namespace mend::guard {

struct Verdict {
  bool allowed = false;
  std::vector<plan::Action> actions;  // with allowed
  std::string canonical;              // with allowed: the text that we render from the actions
  std::string reason;                 // without: why, in plain words
};

// Judges one text against the enrolled table and the actions that its enrolment allows.
// PostgreSQL's parser reads it; every node and every field of every node is accounted for. A syntax
// error, several statements, any surprise: refused with a reason, never an error. An unqualified
// table name follows the current search_path.
Verdict Check(const plan::Shape& shape, const std::set<plan::ActionKind>& allow,
              std::string_view ddl);

// A type as a person writes it: on the list, or an array of one that is. Sets *why where it is not.
std::optional<plan::Type> TypeFromText(std::string_view text, std::string* why);

}  // namespace mend::guard
