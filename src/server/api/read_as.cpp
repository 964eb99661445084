// mend.read_as. It runs with the caller's rights, checks those itself, and writes as the
// extension's owner.
#include <optional>
#include <string>

#include "server/api/arguments.h"
#include "server/api/landing_column.h"
#include "server/convert/convert.h"
#include "server/guard/check_reading.h"
#include "server/guard/landing_table.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"
#include "server/table/target.h"

namespace mend::api {
namespace {

// Dead letters are not looked at again by themselves.
void OfferRetry(Oid target, const table::Target& landing, int column) {
  constexpr int64_t kMost = 10000;
  const pg::Rows letters = pg::RunPrepared(
      "SELECT d.field, count(*) FROM (SELECT field FROM mend.dead_letters WHERE target = $1 AND "
      "field IS NOT NULL LIMIT $2) d GROUP BY d.field",
      {pg::ObjectId(target), pg::Int8(kMost)});
  int64_t count = 0;
  std::string field;
  for (size_t i = 0; i < letters.size(); ++i) {
    const table::Resolution meant = landing.Resolve(letters.text(i, 0));
    if (meant.kind == table::Resolution::Kind::Column && meant.column == column) {
      count += letters.int8(i, 1);
      field = letters.text(i, 0);
    }
  }
  if (count == 0) {
    return;
  }
  const std::string table = pg::QualifiedName(target),
                    name = landing.shape().columns[static_cast<size_t>(column)].name;
  pg::Call([&] {
    ereport(NOTICE,
            (errmsg_plural("%lld dead letter is about column \"%s\", and stays as it is",
                           "%lld dead letters are about column \"%s\", and stay as they are",
                           static_cast<unsigned long>(count), static_cast<long long>(count),
                           name.c_str()),
             errhint("To try them again: SELECT mend.retry(%s, field => %s);",
                     quote_literal_cstr(table.c_str()), quote_literal_cstr(field.c_str()))));
  });
}

Datum ReadAs(FunctionCallInfo call) {
  const Oid target = TargetArgument(call, 0);
  const std::optional<std::string> column = NameArgument(call, 1);
  const std::optional<std::string> text = TextArgument(call, 2);
  const std::optional<std::string> field = TextArgument(call, 3);
  if (!column) {
    throw pg::Error(ERRCODE_NULL_VALUE_NOT_ALLOWED, "column_name must not be null");
  }
  guard::RequireAdmin();
  table::RequireEnrolled(target);
  RequireSettableColumn(target, *column);
  const std::shared_ptr<const table::Target> landing = table::FindTarget(target);
  std::optional<std::string> canonical;
  if (text) {
    if (const std::optional<pg::Error> why =
            guard::WhyNotReading(landing->shape(), *column, *text)) {
      throw *why;
    }
    canonical = reading::Print(*reading::Parse(*text));
  }
  const std::string& key = field ? *field : *column;
  const table::Resolution meant = landing->Resolve(key);
  if (meant.kind != table::Resolution::Kind::Column ||
      landing->shape().columns[static_cast<size_t>(meant.column)].name != *column) {
    throw pg::Error(ERRCODE_INVALID_PARAMETER_VALUE,
                    "field " + convert::Quote(key) + " does not go to column \"" + *column + "\"",
                    field ? std::string("mend.map_field() says where a field goes.")
                          : std::string("Name the field that does, as the last argument."));
  }
  pg::RunPrepared(
      "WITH before AS (SELECT f.reading FROM mend.fields f WHERE f.target = $1 AND f.field = $2), "
      "recorded AS ("
      "  INSERT INTO mend.fields AS f (target, target_name, field, column_name, reading)"
      "  SELECT target, target_name, $2, $3, $4 FROM mend.enrollments WHERE target = $1"
      "  ON CONFLICT (target, field) DO UPDATE SET column_name = excluded.column_name, held = NULL,"
      "     reading = excluded.reading"
      "  RETURNING target_name) "
      "INSERT INTO mend.events (kind, target_name, detail) "
      "SELECT 'reading_set', r.target_name, pg_catalog.jsonb_build_object('field', $2, 'column', "
      "$3::text, 'from', (SELECT reading FROM before), 'to', $4) FROM recorded r",
      {pg::ObjectId(target), pg::Text(key), pg::Name(*column), pg::Text(canonical)});
  OfferRetry(target, *landing, meant.column);
  RequestRound(target);
  return 0;
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT_DECISION(mend_read_as, mend::api::ReadAs)
