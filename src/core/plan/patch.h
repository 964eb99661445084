// A patch: one set of typed actions for one table, and field mappings.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/drift/kind.h"
#include "core/plan/shape.h"

namespace mend::plan {

enum class ActionKind : uint8_t {
  AddColumn,
  WidenType,   // within the family of the column's type
  ChangeType,  // to text or jsonb, or to any type where the column holds no value
  DropNotNull,
  SetDefault,
  AddEnumValue,  // labels for the enum of a column: stands in its patch alone
  MapField,
  ReadAs,
};

// "add_column", "widen_type", ...: the labels of the SQL type mend.action.
std::string_view Name(ActionKind kind);
std::optional<ActionKind> ActionKindFromName(std::string_view name);

const std::set<ActionKind>& AllActions();
// Whether an action on a column is an answer to this kind of its drift.
bool Answers(ActionKind kind, drift::Kind drift);

inline bool ChangesType(ActionKind kind) {
  return kind == ActionKind::WidenType || kind == ActionKind::ChangeType;
}

// One subcommand of the ALTER TABLE, a reading, or the labels for one enum. MapField never appears
// here: mappings stand in field_map.
struct Action {
  ActionKind kind = ActionKind::AddColumn;
  std::string column;
  Type type;  // AddColumn, WidenType, ChangeType; AddEnumValue: the enum
  std::optional<std::string> default_literal;  // AddColumn, SetDefault: the constant's text
  bool if_not_exists = false;                  // AddColumn
  bool only_if_empty = false;  // a change of type: no row holds a value, or it is not made
  std::string why{};           // its part of the rationale, of an action of rules
  // ReadAs: what the column is read by besides what it has, whatever key brings its values; as
  // reading::Print() writes it.
  std::string reading{};
  std::vector<std::string> labels{};  // AddEnumValue
};

inline bool AddsLabels(const std::vector<Action>& actions) {
  return !actions.empty() && actions.front().kind == ActionKind::AddEnumValue;
}

struct FieldMapping {
  std::string field;
  std::optional<std::string> column;  // nullopt: ignore the field
};

// The readings of both texts, as reading::Joined(); what cannot be read is left out.
std::string JoinedReading(const std::string& held, const std::string& more);

struct Patch {
  std::vector<Action> actions;
  std::vector<FieldMapping> field_map;
  std::string rationale;
  bool empty() const { return actions.empty() && field_map.empty(); }
};

// Whether the table is altered: a reading and a mapping are our own books.
bool AltersTable(const Patch& patch);

}  // namespace mend::plan
