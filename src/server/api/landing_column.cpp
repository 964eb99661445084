#include "server/api/landing_column.h"

#include "server/pg/spi.h"

namespace mend::api {

void RequireSettableColumn(Oid target, const std::string& column) {
  AttrNumber attnum = 0;
  bool computed = false;
  pg::Call([&] {
    HeapTuple tuple = SearchSysCacheAttName(target, column.c_str());
    if (HeapTupleIsValid(tuple)) {
      auto* row = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple));
      attnum = row->attnum;
      computed = row->attgenerated != 0 || row->attidentity == ATTRIBUTE_IDENTITY_ALWAYS;
      ReleaseSysCache(tuple);
    }
  });
  if (attnum == 0) {
    throw pg::Error(ERRCODE_UNDEFINED_COLUMN, "the table has no column \"" + column + "\"");
  }
  if (attnum < 0 || computed) {
    throw pg::Error(ERRCODE_INVALID_COLUMN_REFERENCE,
                    "column \"" + column + "\" is filled by PostgreSQL itself",
                    "Name an ordinary column.");
  }
}

void RequestRound(Oid target) {
  pg::RunPrepared("SELECT mend.request_round($1)", {pg::ObjectId(target)});
}

}  // namespace mend::api
