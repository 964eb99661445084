// Readers of the parse tree, by kind of node: each accounts for every field of its node, and turns
// it into a value or a refusal.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/plan/patch.h"
#include "core/plan/shape.h"
#include "server/guard/parse.h"

namespace mend::guard {

// Against what a text is read.
struct Terms {
  const plan::Shape& shape;
  const std::set<plan::ActionKind>& allow;
};

// A listed built-in type, or a one-dimensional array of one, with constant modifiers.
Refusal ReadType(const TypeName* node, plan::Type* type);

// One constant that the type's input function takes, and that means the same whenever it is read.
// `literal` stays empty for NULL.
Refusal ReadConstant(const Node* node, const plan::Type& type, std::optional<std::string>* literal);

// One subcommand of the ALTER TABLE.
Refusal ReadSubcommand(const Terms& terms, const AlterTableCmd* node, plan::Action* action);
Refusal ReadAddColumn(const Terms& terms, const AlterTableCmd* node, plan::Action* action);

// Why an action is not allowed, and what is.
Refusal NotAllowed(const Terms& terms, plan::ActionKind kind);

// Statements that add labels to the enum of a column.
Refusal ReadLabels(const Terms& terms, const std::vector<const AlterEnumStmt*>& statements,
                   std::vector<plan::Action>* actions);

// The whole text; `actions` in the order in which it names them. Check() without the rendering.
Refusal ReadActions(const Terms& terms, std::string_view ddl, std::vector<plan::Action>* actions);

// Why the literal is no fixed value of the type, as the type's input function sees it.
Refusal WhyNoValue(const std::string& literal, const plan::Type& type);

}  // namespace mend::guard
