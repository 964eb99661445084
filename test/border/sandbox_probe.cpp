// Hands any text straight to the sandbox, as superuser: walls 1 to 3 are bypassed on purpose.
#include <optional>
#include <string>
#include <vector>

#include "server/guard/sandbox.h"
#include "server/pg/spi.h"

namespace {

using namespace mend;

// What the sandbox of a table says to a text: the error, or "done" (and then the text has run).
Datum SandboxTry(FunctionCallInfo fcinfo) {
  std::vector<Oid> family = {PG_GETARG_OID(0)};
  std::string sql(text_to_cstring(PG_GETARG_TEXT_PP(1)));
  std::optional<pg::Error> caught = pg::Attempt([&] {
    pg::Spi spi;
    guard::Sandbox sandbox(family);
    spi.Execute(sql.c_str());
  });
  std::string seen = caught ? caught->sqlstate() + " " + caught->what() : "done";
  return PointerGetDatum(cstring_to_text(seen.c_str()));
}

// What it says when code inside it says that it has altered a relation.
Datum SandboxAltered(FunctionCallInfo fcinfo) {
  std::vector<Oid> family = {PG_GETARG_OID(0)};
  const Oid altered = PG_GETARG_OID(1);
  std::optional<pg::Error> caught = pg::Attempt([&] {
    guard::Sandbox sandbox(family);
    pg::Call([&] { InvokeObjectPostAlterHook(RelationRelationId, altered, 0); });
  });
  std::string seen = caught ? caught->sqlstate() + " " + caught->what() : "done";
  return PointerGetDatum(cstring_to_text(seen.c_str()));
}

}  // namespace

MEND_EXPORT_AS(probe_sandbox_altered, return SandboxAltered(fcinfo))
MEND_EXPORT_AS(probe_sandbox, return SandboxTry(fcinfo))
