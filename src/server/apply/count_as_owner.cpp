#include "server/apply/count_as_owner.h"

#include "server/pg/settings_scope.h"
#include "server/pg/user.h"

namespace mend::apply {

std::optional<uint64_t> CountAsOwner(Oid relid, const std::string& sql,
                                     const std::vector<pg::Param>& params) {
  const pg::Rows found =
      pg::RunPrepared("SELECT relowner FROM pg_class WHERE oid = $1", {pg::ObjectId(relid)});
  if (found.empty()) {
    return std::nullopt;
  }
  const Oid owner = found.oid(0, 0);
  uint64_t rows = 0;
  const std::optional<pg::Error> failure = pg::Attempt([&] {
    // A row that a policy hides would be overlooked: such a query fails.
    const pg::SettingsScope all_rows({{"row_security", "off"}});
    const pg::ForeignCode as_owner({owner, owner, ""}, pg::ForeignCode::Until::Scope);
    pg::Spi spi;
    rows = spi.Execute(sql.c_str(), params);
  });
  // What he may not read, or policies would hide, is not known.
  if (failure && pg::MustRaise(*failure) &&
      failure->sqlerrcode() != ERRCODE_INSUFFICIENT_PRIVILEGE) {
    throw *failure;
  }
  return failure ? std::nullopt : std::optional(rows);
}

}  // namespace mend::apply
