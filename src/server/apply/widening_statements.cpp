#include "server/apply/widening_statements.h"

#include <set>

#include "server/pg/catalog.h"

namespace mend::apply {
namespace {

std::string Quoted(const std::string& name) { return pg::QuoteIdentifier(name); }

std::string Literal(const std::string& text) {
  const char* quoted = pg::Call([&] { return quote_literal_cstr(text.c_str()); });
  return quoted;
}

// One ALTER TABLE; empty for no clauses.
std::string Alter(const Parts& parts, const std::vector<std::string>& clauses) {
  std::string text;
  for (const std::string& clause : clauses) {
    text += (text.empty() ? "ALTER TABLE " + parts.table + " " : ", ") + clause;
  }
  return text;
}

// Compared in the wider type, to which no cast fails.
std::string EqualClause(const Widening& widening, const Parts& parts) {
  const std::string first = Quoted(parts.column), second = Quoted(widening.NewColumn());
  return "ADD CONSTRAINT " + Quoted(widening.EqualCheck()) + " CHECK (" + second +
         (widening.narrows ? "::" + parts.type : "") + " IS NOT DISTINCT FROM " + first +
         (widening.narrows ? "" : "::" + widening.type) + ") NOT VALID";
}

std::string NotNullClause(const Widening& widening) {
  return "ADD CONSTRAINT " + Quoted(widening.NotNullCheck()) + " CHECK (" +
         Quoted(widening.NewColumn()) + " IS NOT NULL) NOT VALID";
}

}  // namespace

std::vector<std::string> AddStatements(const Widening& widening, const Parts& parts) {
  std::vector<std::string> clauses = {"ADD COLUMN " + Quoted(widening.NewColumn()) + " " +
                                      widening.type};
  // A value that the narrower type does not hold may still come: it ends the narrowing, and is
  // refused to nobody.
  if (!widening.narrows) {
    clauses.push_back(EqualClause(widening, parts));
    if (parts.not_null) {
      clauses.push_back(NotNullClause(widening));
    }
  }
  const std::string trigger = Quoted(widening.Trigger());
  return {Alter(parts, clauses),
          "CREATE TRIGGER " + trigger + " BEFORE INSERT OR UPDATE ON " + parts.table +
              " FOR EACH ROW EXECUTE FUNCTION mend.copy_column(" + std::to_string(widening.attnum) +
              ", " + Literal(parts.column) + ", " + std::to_string(widening.new_attnum) + ", " +
              Literal(widening.NewColumn()) + ")",
          Alter(parts, {"ENABLE ALWAYS TRIGGER " + trigger})};
}

std::string AddChecks(const Widening& widening, const Parts& parts) {
  std::vector<std::string> clauses;
  if (!parts.equal_exists) {
    clauses.push_back(EqualClause(widening, parts));
  }
  if (parts.not_null && !parts.not_null_check_exists) {
    clauses.push_back(NotNullClause(widening));
  }
  for (const ConstraintPart& check : parts.checks) {
    if (!check.clone_exists) {
      clauses.push_back(check.add);
    }
  }
  return Alter(parts, clauses);
}

std::string AddForeignKeys(const Parts& parts) {
  std::vector<std::string> clauses;
  for (const ConstraintPart& key : parts.foreign_keys) {
    if (!key.clone_exists) {
      clauses.push_back(key.add);
    }
  }
  return Alter(parts, clauses);
}

std::vector<std::string> AddStatistics(const Parts& parts) {
  std::vector<std::string> statements;
  for (const StatisticsPart& part : parts.extended) {
    if (part.clone_exists) {
      continue;
    }
    statements.push_back(part.create);
    if (part.target) {
      statements.push_back("ALTER STATISTICS " + part.in_schema + "." + Quoted(part.clone) +
                           " SET STATISTICS " + *part.target);
    }
  }
  return statements;
}

std::string Analyze(const Widening& widening, const Parts& parts) {
  std::set<std::string> columns = {Quoted(widening.NewColumn())};
  for (const StatisticsPart& part : parts.extended) {
    columns.insert(part.columns.begin(), part.columns.end());
  }
  std::string list;
  for (const std::string& column : columns) {
    list += (list.empty() ? "" : ", ") + column;
  }
  return "ANALYZE " + parts.table + " (" + list + ")";
}

std::string Validate(const Widening& widening, const Parts& parts) {
  std::vector<std::string> clauses;
  const auto validate = [&](const std::string& name) {
    clauses.push_back("VALIDATE CONSTRAINT " + Quoted(name));
  };
  if (!parts.equal_is_valid) {
    validate(widening.EqualCheck());
  }
  if (parts.not_null && !parts.not_null_is_valid) {
    validate(widening.NotNullCheck());
  }
  for (const auto* constraints : {&parts.checks, &parts.foreign_keys}) {
    for (const ConstraintPart& constraint : *constraints) {
      if (constraint.validated && !constraint.clone_is_valid) {
        validate(constraint.clone);
      }
    }
  }
  return Alter(parts, clauses);
}

std::vector<std::string> SwapStatements(const Widening& widening, const Parts& parts) {
  const std::string second = Quoted(widening.NewColumn()), column = Quoted(parts.column);
  const std::string of_schema = parts.schema + ".";
  std::vector<std::string> statements = {"DROP TRIGGER " + Quoted(widening.Trigger()) + " ON " +
                                         parts.table};
  if (OidIsValid(parts.sequence)) {
    statements.push_back("ALTER SEQUENCE " + parts.sequence_name +
                         (parts.identity != '\0' ? " AS " + widening.type
                                                 : " OWNED BY " + parts.table + "." + second));
  }
  statements.push_back(Alter(parts, {"DROP COLUMN " + column}));
  for (const std::string& clone : parts.lost_clones) {
    statements.push_back("DROP INDEX " + of_schema + Quoted(clone));
  }
  statements.push_back("ALTER TABLE " + parts.table + " RENAME COLUMN " + second + " TO " + column);
  // The check of ours spares a look at every row.
  std::vector<std::string> clauses;
  const std::string alter = "ALTER COLUMN " + column;
  if (parts.not_null) {
    clauses.push_back(alter + " SET NOT NULL");
  }
  if (parts.default_text) {
    clauses.push_back(alter + " SET DEFAULT " + *parts.default_text);
  }
  if (parts.statistics) {
    clauses.push_back(alter + " SET STATISTICS " + *parts.statistics);
  }
  if (parts.options) {
    clauses.push_back(alter + " SET (" + *parts.options + ")");
  }
  if (!clauses.empty()) {
    statements.push_back(Alter(parts, clauses));
  }
  clauses.clear();
  for (const IndexPart& index : parts.indexes) {
    const std::string clone = Quoted(index.clone), name = Quoted(index.name);
    if (index.constraint != '\0') {
      statements.push_back(
          Alter(parts,
                {"ADD CONSTRAINT " + name + (index.constraint == 'p' ? " PRIMARY KEY" : " UNIQUE") +
                 " USING INDEX " + clone + (index.deferrable ? " DEFERRABLE" : "") +
                 (index.deferred ? " INITIALLY DEFERRED" : "")}));
    }
    // Others keep the clone's name a moment longer: to rename one takes CREATE on the schema.
    const std::string& by_now = index.constraint != '\0' ? name : clone;
    if (index.clustered) {
      clauses.push_back("CLUSTER ON " + by_now);
    }
    if (index.identifies_rows) {
      clauses.push_back("REPLICA IDENTITY USING INDEX " + by_now);
    }
  }
  for (const auto* constraints : {&parts.checks, &parts.foreign_keys}) {
    for (const ConstraintPart& constraint : *constraints) {
      statements.push_back("ALTER TABLE " + parts.table + " RENAME CONSTRAINT " +
                           Quoted(constraint.clone) + " TO " + Quoted(constraint.name));
    }
  }
  if (parts.not_null_check_exists) {
    clauses.push_back("DROP CONSTRAINT " + Quoted(widening.NotNullCheck()));
  }
  if (!clauses.empty()) {
    statements.push_back(Alter(parts, clauses));
  }
  return statements;
}

std::vector<std::string> RemoveStatements(const Widening& widening, const Parts& parts) {
  std::vector<std::string> statements;
  if (parts.trigger_exists) {
    statements.push_back("DROP TRIGGER " + Quoted(widening.Trigger()) + " ON " + parts.table);
  }
  // Its constraints, indexes and statistics go with it.
  if (parts.second_exists) {
    statements.push_back(Alter(parts, {"DROP COLUMN " + Quoted(widening.NewColumn())}));
  }
  return statements;
}

}  // namespace mend::apply
