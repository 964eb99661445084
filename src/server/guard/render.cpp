#include "server/guard/render.h"

#include <algorithm>

#include "core/plan/lattice.h"
#include "core/plan/typmod.h"
#include "server/guard/nodes.h"
#include "server/guard/types.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"

namespace mend::guard {
namespace {

std::string Identifier(const std::string& name) { return pg::QuoteIdentifier(name); }

std::string Literal(const std::string& value) {
  char* quoted = pg::Call([&] { return quote_literal_cstr(value.c_str()); });
  return quoted;
}

std::string Modifiers(uint32_t oid, int32_t typmod) {
  if (typmod < 0) {
    return "";
  }
  switch (oid) {
    case plan::type_oid::kNumeric: {
      const plan::NumericLimits limits = plan::DecodeNumeric(typmod);
      return "(" + std::to_string(limits.precision) + "," + std::to_string(limits.scale) + ")";
    }
    case plan::type_oid::kVarchar:
    case plan::type_oid::kBpchar: return "(" + std::to_string(plan::CharacterLimit(typmod)) + ")";
    case plan::type_oid::kInterval: {
      // Outside of its own syntax interval takes its mask of fields, then its digits, if limited.
      const std::string fields = std::to_string((typmod >> 16) & plan::kAllIntervalFields);
      const int digits = typmod & 0xffff;
      return "(" + fields + (digits == 0xffff ? ")" : "," + std::to_string(digits) + ")");
    }
    default: return "(" + std::to_string(typmod) + ")";
  }
}

std::string TableName(const plan::Shape& shape) {
  return Identifier(shape.schema) + "." + Identifier(shape.name);
}

// One ALTER TABLE of several clauses; empty for none.
std::string Join(const plan::Shape& shape, const std::vector<std::string>& clauses) {
  std::string text;
  for (const std::string& clause : clauses) {
    text += (text.empty() ? "ALTER TABLE " + TableName(shape) + " " : ", ") + clause;
  }
  return text;
}

std::string Constant(const std::string& literal, const plan::Type& type) {
  return Literal(literal) + "::" + RenderType(type);
}

// How the values of a column come to its new type, where a plain cast is not the way.
std::string Using(const plan::Shape& shape, const plan::Action& action) {
  const std::string column = Identifier(action.column);
  if (action.only_if_empty) {
    return " USING " + column + "::pg_catalog.text::" + RenderType(action.type);
  }
  const plan::Column* from = shape.Find(action.column);
  const bool to_jsonb =
      from != nullptr && plan::Judge(from->type, action.type) == plan::Widening::ToJsonb;
  return to_jsonb ? " USING pg_catalog.to_jsonb(" + column + ")" : "";
}

std::string Clause(const plan::Shape& shape, const plan::Action& action) {
  const std::string column = Identifier(action.column);
  const std::string alter = "ALTER COLUMN " + column;
  switch (action.kind) {
    case plan::ActionKind::AddColumn:
      return std::string("ADD COLUMN ") + (action.if_not_exists ? "IF NOT EXISTS " : "") + column +
             " " + RenderType(action.type) +
             (action.default_literal ? " DEFAULT " + Constant(*action.default_literal, action.type)
                                     : "");
    case plan::ActionKind::WidenType:
    case plan::ActionKind::ChangeType:
      return alter + " TYPE " + RenderType(action.type) + Using(shape, action);
    case plan::ActionKind::DropNotNull: return alter + " DROP NOT NULL";
    case plan::ActionKind::SetDefault: {
      const plan::Column* existing = shape.Find(action.column);
      const plan::Type type = existing != nullptr ? existing->type : action.type;
      return alter + " SET DEFAULT " + Constant(action.default_literal.value_or(""), type);
    }
    case plan::ActionKind::ReadAs:
      return alter + " SET (mend.read_as = " + Literal(action.reading) + ")";
    case plan::ActionKind::AddEnumValue:
    case plan::ActionKind::MapField: break;
  }
  throw pg::Error(ERRCODE_INTERNAL_ERROR, "pg_mend: a field mapping is no ALTER TABLE");
}

bool Same(const plan::Action& one, const plan::Action& other) {
  return one.kind == other.kind && one.column == other.column &&
         one.default_literal == other.default_literal && one.if_not_exists == other.if_not_exists &&
         one.only_if_empty == other.only_if_empty && one.reading == other.reading &&
         one.labels == other.labels &&
         (one.type == other.type || one.kind == plan::ActionKind::SetDefault);
}

// What is about to run must pass the first wall too, and mean the same.
void RequireRoundTrip(const plan::Shape& shape, const std::vector<plan::Action>& actions,
                      const std::string& text) {
  std::vector<plan::Action> again;
  const Refusal why = ReadActions({shape, plan::AllActions()}, text, &again);
  bool same = !why && again.size() == actions.size();
  for (size_t i = 0; same && i < actions.size(); ++i) {
    same = Same(actions[i], again[i]);
  }
  if (!same) {
    throw pg::Error(ERRCODE_INTERNAL_ERROR, "pg_mend: rendered DDL does not give back its actions",
                    std::nullopt,
                    why ? why : std::optional<std::string>("It parses to other actions."));
  }
}

std::optional<std::string> DefaultOf(const plan::Shape& shape, const std::string& column) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d "
      "JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum "
      "WHERE d.adrelid = $1 AND a.attname = $2",
      {pg::ObjectId(shape.relid), pg::Name(column)});
  return rows.empty() ? std::nullopt : rows.maybe(0, 0);
}

// A change of type gives a column its new type's storage: clauses that give back what its owner
// chose.
std::string StorageClauses(const plan::Shape& shape, const std::string& column) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT CASE WHEN a.attstorage <> t.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'PLAIN' "
      "WHEN 'e' THEN 'EXTERNAL'"
      " WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END, CASE a.attcompression WHEN 'p' THEN 'pglz' "
      "WHEN 'l' THEN 'lz4' END "
      "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
      "WHERE a.attrelid = $1 AND a.attname = $2",
      {pg::ObjectId(shape.relid), pg::Name(column)});
  const std::string alter = ", ALTER COLUMN " + Identifier(column);
  std::string clauses;
  if (!rows.empty() && !rows.IsNull(0, 0)) {
    clauses += alter + " SET STORAGE " + rows.text(0, 0);
  }
  if (!rows.empty() && !rows.IsNull(0, 1)) {
    clauses += alter + " SET COMPRESSION " + rows.text(0, 1);
  }
  return clauses;
}

// Empty where the action changes nothing in this shape.
std::string InverseClause(const plan::Shape& shape, const plan::Action& action) {
  const plan::Column* existing = shape.Find(action.column);
  const std::string column = Identifier(action.column);
  const std::string alter = "ALTER COLUMN " + column;
  switch (action.kind) {
    case plan::ActionKind::AddColumn: return existing == nullptr ? "DROP COLUMN " + column : "";
    case plan::ActionKind::WidenType:
    case plan::ActionKind::ChangeType: {
      if (existing == nullptr) {
        return "";
      }
      const std::string old_type = RenderType(existing->type);
      return alter + " TYPE " + old_type + " USING " +
             RenderBack(column, existing->type, action.type) + StorageClauses(shape, action.column);
    }
    case plan::ActionKind::DropNotNull: return alter + " SET NOT NULL";
    case plan::ActionKind::SetDefault: {
      const std::optional<std::string> old_default = DefaultOf(shape, action.column);
      return alter + (old_default ? " SET DEFAULT " + *old_default : " DROP DEFAULT");
    }
    case plan::ActionKind::AddEnumValue:
    case plan::ActionKind::MapField:
    case plan::ActionKind::ReadAs: break;
  }
  return "";
}

}  // namespace

bool IsListed(const plan::Type& type) {
  const uint32_t element = plan::ElementType(type.oid);
  return FindListed(element != 0 ? element : type.oid) != nullptr;
}

std::string RenderType(const plan::Type& type) {
  if (!IsListed(type)) {
    char* text = pg::Call([&] {
      return format_type_extended(type.oid, type.typmod,
                                  FORMAT_TYPE_FORCE_QUALIFY | FORMAT_TYPE_TYPEMOD_GIVEN);
    });
    return text;
  }
  const uint32_t element = plan::ElementType(type.oid);
  const uint32_t scalar = element != 0 ? element : type.oid;
  return "pg_catalog." + Identifier(FindListed(scalar)->name) + Modifiers(scalar, type.typmod) +
         (element != 0 ? "[]" : "");
}

std::string RenderBack(const std::string& column, const plan::Type& from, const plan::Type& to) {
  const plan::Widening widening = plan::Judge(from, to);
  std::string value = column;
  if (widening == plan::Widening::ToJsonb) {
    value = "pg_catalog.jsonb_extract_path_text(" + column + ", VARIADIC '{}')";
  } else if (widening == plan::Widening::Refused) {  // it held no value then
    value = column + "::pg_catalog.text";
  }
  return value + "::" + RenderType(from);
}

namespace {

// A label that somebody else has added meanwhile is no error.
std::string LabelsText(const plan::Action& action) {
  std::string text;
  for (const std::string& label : action.labels) {
    text += (text.empty() ? "ALTER TYPE " : "; ALTER TYPE ") + RenderType(action.type) +
            " ADD VALUE IF NOT EXISTS " + Literal(label);
  }
  return text;
}

}  // namespace

std::string RenderWithoutLabels(const plan::Action& action) {
  return "ALTER TYPE " + RenderType(action.type) + " ADD VALUE (" +
         std::to_string(action.labels.size()) +
         (action.labels.size() == 1 ? " label)" : " labels)");
}

namespace {

std::string TextOf(const plan::Shape& shape, const std::vector<plan::Action>& actions) {
  if (actions.size() == 1 && plan::AddsLabels(actions)) {
    return LabelsText(actions.front());
  }
  std::vector<std::string> clauses;
  for (const plan::Action& action : actions) {
    clauses.push_back(Clause(shape, action));
  }
  return Join(shape, clauses);
}

}  // namespace

std::optional<std::string> WhyRefused(const plan::Shape& shape,
                                      const std::vector<plan::Action>& actions) {
  std::vector<plan::Action> again;
  return actions.empty() ? std::nullopt
                         : ReadActions({shape, plan::AllActions()}, TextOf(shape, actions), &again);
}

std::string Render(const plan::Shape& shape, const std::vector<plan::Action>& actions) {
  const std::string text = TextOf(shape, actions);
  if (!text.empty()) {
    RequireRoundTrip(shape, actions, text);
  }
  return text;
}

std::string RenderForServer(const plan::Shape& shape, std::vector<plan::Action> actions) {
  actions.erase(std::remove_if(actions.begin(), actions.end(),
                               [](const plan::Action& action) {
                                 return action.kind == plan::ActionKind::ReadAs;
                               }),
                actions.end());
  return Render(shape, actions);
}

std::string RenderInverse(const plan::Shape& shape, const std::vector<plan::Action>& actions) {
  std::vector<std::string> clauses;
  for (const plan::Action& action : actions) {
    std::string clause = InverseClause(shape, action);
    if (!clause.empty()) {
      clauses.push_back(std::move(clause));
    }
  }
  return Join(shape, clauses);
}

plan::Type ParseType(const std::string& text) {
  const pg::PinnedSearchPath path;
  return pg::Call([&] {
    Oid oid = InvalidOid;
    int32 typmod = -1;
#if PG_VERSION_NUM >= 160000
    parseTypeString(text.c_str(), &oid, &typmod, nullptr);
#else
    parseTypeString(text.c_str(), &oid, &typmod, false);
#endif
    return plan::Type{oid, typmod};
  });
}

}  // namespace mend::guard
