#include "server/apply/empty_column.h"

#include "server/apply/count_as_owner.h"
#include "server/pg/catalog.h"

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

}  // namespace

bool HoldsNoValue(const plan::Shape& shape, const std::string& column) {
  return !StatisticsKnowValues(shape.relid, column) &&
         CountAsOwner(shape.relid, "SELECT FROM " + pg::QualifiedName(shape.relid) + " WHERE " +
                                       pg::QuoteIdentifier(column) + " IS NOT NULL LIMIT 1") == 0;
}

// What is certainly printed back: no zero with a sign, no more digits than both types hold.
bool HoldsOnlyTextOf(uint32_t type, const plan::Shape& shape, const std::string& column) {
  const std::string pattern = type == plan::type_oid::kBool ? "^(true|false)$"
                              : type == plan::type_oid::kInt8
                                  ? "^(0|-?[1-9][0-9]{0,17})$"
                                  : "^(0|-?[1-9][0-9]{0,200})$|^(0|-?[1-9][0-9]{0,200})[.][0-9]"
                                    "{1,200}$|^-0[.][0-9]{0,100}[1-9][0-9]{0,100}$";
  return CountAsOwner(shape.relid, "SELECT FROM " + pg::QualifiedName(shape.relid) + " WHERE " +
                                       pg::QuoteIdentifier(column) +
                                       " COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.!~) '" +
                                       pattern + "' LIMIT 1") == 0;
}

bool HoldsOnlyNulls(const plan::Shape& shape, const std::string& column) {
  return HoldsNoValue(shape, column) &&
         CountAsOwner(shape.relid, "SELECT FROM " + pg::QualifiedName(shape.relid) + " LIMIT 1") ==
             1;
}

}  // namespace mend::apply
