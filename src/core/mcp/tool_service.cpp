#include "core/mcp/tool_service.h"

#include "core/tools/registry.h"

namespace mend::mcp {
namespace {

#define MEND_SELECT(table) "pg_catalog.has_table_privilege('mend." table "', 'SELECT')"
#define MEND_EXECUTE(function) "pg_catalog.has_function_privilege('mend." function "', 'EXECUTE')"

constexpr ToolService kToolServices[] = {
    {tools::kProposePatch, &kProposePatchService, nullptr,
     MEND_EXECUTE("propose(regclass,text,jsonb,text,jsonb)") " AND " MEND_SELECT("patches")},
    {"ingest_status", &kIngestStatusService, nullptr,
     MEND_SELECT("status") " AND " MEND_SELECT("enrollments")},
    {"list_drift", &kListDriftService, nullptr,
     MEND_SELECT("drifts") " AND " MEND_SELECT("enrollments")},
    {"describe_table", &kDescribeTableService, nullptr,
     MEND_SELECT("enrollments") " AND " MEND_SELECT("status") " AND " MEND_SELECT(
         "fields") " AND " MEND_SELECT("drifts") " AND " MEND_SELECT("patches")},
    {"list_patches", &kListPatchesService, nullptr,
     MEND_SELECT("patches") " AND " MEND_SELECT("enrollments")},
    {"get_patch", &kGetPatchService, nullptr, MEND_SELECT("patches")},
    {"dry_run_patch", &kDryRunPatchService, nullptr, MEND_EXECUTE("dry_run_patch(bigint)")},
    {"list_dead_letters", &kListDeadLettersService, &kListDeadLetterValuesService,
     "pg_catalog.has_column_privilege('mend.dead_letters', 'sqlstate', 'SELECT') AND " MEND_SELECT(
         "enrollments")},
    {"retry_dead_letters", &kRetryDeadLettersService, nullptr,
     MEND_EXECUTE("retry(regclass,bigint[],text,text)")},
};

}  // namespace

const ToolService* FindToolService(std::string_view tool) {
  for (const ToolService& service : kToolServices) {
    if (service.tool == tool) return &service;
  }
  return nullptr;
}

}  // namespace mend::mcp
