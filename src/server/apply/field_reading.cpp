#include "server/apply/field_reading.h"

#include "server/pg/spi.h"

namespace mend::apply {

std::string ReadingOf(const table::Target& target, const std::string& column) {
  for (const table::FieldRecord& record : target.fields()) {
    if (record.field == column && record.column == column) {
      return record.reading;
    }
  }
  return "";
}

void SetReading(const table::Target& target, const std::string& column,
                const std::string& reading) {
  pg::RunPrepared(
      "INSERT INTO mend.fields AS f (target, target_name, field, column_name, reading) VALUES ($1, "
      "$2, $3, $3::name, nullif($4, '')) ON CONFLICT (target, field) DO UPDATE SET column_name = "
      "excluded.column_name, held = NULL, reading = excluded.reading",
      {pg::ObjectId(target.shape().relid), pg::Text(target.enrollment().target_name),
       pg::Text(column), pg::Text(reading)});
}

}  // namespace mend::apply
