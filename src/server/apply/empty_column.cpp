#include "server/apply/empty_column.h"

#include "server/pg/catalog.h"
#include "server/pg/settings_scope.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"

namespace mend::apply {
namespace {

// The statistics know of values: no need to look.
bool StatisticsKnowValues(uint32_t relid, const std::string& column) {
  return pg::RunPrepared(
             "SELECT coalesce(bool_or(s.stanullfrac < 1), false) FROM pg_statistic s JOIN "
             "pg_attribute a ON a.attrelid = s.starelid AND a.attnum = s.staattnum "
             "WHERE s.starelid = $1 AND a.attname = $2",
             {pg::ObjectId(relid), pg::Name(column)})
      .boolean(0, 0);
}

Oid OwnerOf(uint32_t relid) {
  return pg::RunPrepared("SELECT relowner FROM pg_class WHERE oid = $1", {pg::ObjectId(relid)})
      .oid(0, 0);
}

// How many rows the statement gives, read as the table's owner; nullopt where it may not be known.
std::optional<uint64_t> CountAsOwner(const plan::Shape& shape, const std::string& sql) {
  const Oid owner = OwnerOf(shape.relid);
  uint64_t rows = 0;
  const std::optional<pg::Error> failure = pg::Attempt([&] {
    // A row that a policy hides would be overlooked: such a query fails.
    const pg::SettingsScope all_rows({{"row_security", "off"}});
    const pg::ForeignCode as_owner({owner, owner, ""}, pg::ForeignCode::Until::Scope);
    pg::Spi spi;
    rows = spi.Execute(sql.c_str());
  });
  if (failure && pg::MustRaise(*failure)) {
    throw *failure;
  }
  return failure ? std::nullopt : std::optional(rows);
}

}  // namespace

bool HoldsNoValue(const plan::Shape& shape, const std::string& column) {
  return !StatisticsKnowValues(shape.relid, column) &&
         CountAsOwner(shape, "SELECT FROM " + pg::QualifiedName(shape.relid) + " WHERE " +
                                 pg::QuoteIdentifier(column) + " IS NOT NULL LIMIT 1") == 0;
}

bool HoldsOnlyNulls(const plan::Shape& shape, const std::string& column) {
  return HoldsNoValue(shape, column) &&
         CountAsOwner(shape, "SELECT FROM " + pg::QualifiedName(shape.relid) + " LIMIT 1") == 1;
}

}  // namespace mend::apply
