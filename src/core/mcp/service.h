// How the database serves a tool: which query, with which arguments, in what kind of transaction.
// Nothing that a client sends is ever part of a query's text.
#pragma once

#include <string_view>

namespace mend::mcp {

enum class Access { ReadOnly, ReadWrite };
enum class ResultForm {
  One,   // exactly one row: (key, object)
  Page,  // rows (key, object), ordered by key; the last two parameters are cursor and row limit
};

// Rows are (key text, object json, refusal text).
struct Service {
  std::string_view name;
  Access access;
  ResultForm form;
  // $1, $2, ... are the arguments named in `parameters`, separated by blanks; absent ones are NULL.
  // "table" becomes the OID of a landing table; "field_map" a JSON object; arrays of integers an
  // array literal.
  std::string_view sql;
  std::string_view parameters;
  // Run afterwards in the same transaction with the first query's key as $1; empty: no second
  // query.
  std::string_view then_sql;
  // Whether names in it follow the caller's search_path; else pg_catalog alone is searched.
  bool callers_path;
  std::string_view list_name;  // Page: the member that holds the objects
  // Whether a refusal that is not null is an error for the client, though the transaction commits.
  bool refuses;
};

// Serve tools.
extern const Service kListDriftService;
extern const Service kDescribeTableService;
extern const Service kListPatchesService;
extern const Service kGetPatchService;
extern const Service kProposePatchService;
extern const Service kDryRunPatchService;
extern const Service kListDeadLettersService;
extern const Service kListDeadLetterValuesService;
extern const Service kRetryDeadLettersService;
extern const Service kIngestStatusService;

// Serve resources and completions.
extern const Service kDriftSummaryService;
extern const Service kLandingTablesService;
extern const Service kCompleteNameService;
extern const Service kCompleteSchemaService;
extern const Service kCompleteTableService;
extern const Service kCompletePatchService;

// (oid, target_name) of the table that a client names, $1. By its schema-qualified name, written as
// mend.enrollments has it or with both parts quoted: to be run with pg_catalog alone on the path.
// And as the caller's search_path finds it; target_name null: it is not enrolled.
extern const std::string_view kFindTableByName;
extern const std::string_view kFindTableOnPath;

// Takes (tool, sqlstate or null, milliseconds, table as the client named it, patch id).
extern const std::string_view kRecordToolCall;

}  // namespace mend::mcp
