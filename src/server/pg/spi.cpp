#include "server/pg/spi.h"

#include <cstdlib>

#include "server/pg/cached_plan.h"
#include "server/pg/user.h"

namespace mend::pg {
namespace {

Datum TextDatum(std::string_view value) {
  Datum datum = 0;
  Call([&] {
    datum = PointerGetDatum(cstring_to_text_with_len(value.data(), static_cast<int>(value.size())));
  });
  return datum;
}

}  // namespace

Param Text(std::string_view value) { return {TEXTOID, TextDatum(value), false}; }
Param Text(const std::optional<std::string>& value) {
  return value ? Text(std::string_view(*value)) : NullText();
}
Param NullText() { return {TEXTOID, 0, true}; }
Param Int8(int64_t value) { return {INT8OID, Int64GetDatum(value), false}; }
Param Int8(const std::optional<int64_t>& value) {
  return {INT8OID, Int64GetDatum(value.value_or(0)), !value.has_value()};
}
Param Int4(int32_t value) { return {INT4OID, Int32GetDatum(value), false}; }
Param Bool(bool value) { return {BOOLOID, BoolGetDatum(value), false}; }
Param ObjectId(Oid value) { return {OIDOID, ObjectIdGetDatum(value), false}; }

Param Name(std::string_view value) {
  Datum datum = 0;
  Call([&] {
    auto* name = static_cast<NameData*>(palloc0(sizeof(NameData)));
    memcpy(NameStr(*name), value.data(),
           value.size() < NAMEDATALEN ? value.size() : NAMEDATALEN - 1);
    datum = NameGetDatum(name);
  });
  return {NAMEOID, datum, false};
}

Param Int8Array(const std::vector<int64_t>& values) {
  Datum datum = 0;
  Call([&] {
    auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * (values.size() + 1)));
    for (size_t i = 0; i < values.size(); ++i) {
      elements[i] = Int64GetDatum(values[i]);
    }
    datum = PointerGetDatum(construct_array(elements, static_cast<int>(values.size()), INT8OID, 8,
                                            FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
  });
  return {INT8ARRAYOID, datum, false};
}

Param TextArray(const std::vector<std::string>& values) {
  return TextArray(std::vector<std::string_view>(values.begin(), values.end()));
}

Param TextArray(const std::vector<std::string_view>& values) {
  Datum datum = 0;
  Call([&] {
    auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * (values.size() + 1)));
    for (size_t i = 0; i < values.size(); ++i) {
      elements[i] = PointerGetDatum(
          cstring_to_text_with_len(values[i].data(), static_cast<int>(values[i].size())));
    }
    datum = PointerGetDatum(construct_array(elements, static_cast<int>(values.size()), TEXTOID, -1,
                                            false, TYPALIGN_INT));
  });
  return {TEXTARRAYOID, datum, false};
}

const std::string& Rows::text(size_t row, size_t column) const {
  const std::optional<std::string>& cell = cells_.at(row * columns_ + column);
  if (cell) {
    return *cell;
  }
  static const std::string& empty = *new std::string();
  return empty;
}

int64_t Rows::int8(size_t row, size_t column) const {
  return std::strtoll(text(row, column).c_str(), nullptr, 10);
}

Spi::Spi() {
  Call([] { SPI_connect(); });
}

Spi::~Spi() {
  // While an error unwinds, PostgreSQL closes the connection itself when it rolls back.
  if (!unwinding_) {
    SPI_finish();
  }
}

Rows Spi::Query(const char* sql, const std::vector<Param>& params, long limit, bool read_only) {
  const Arguments arguments(params);
  return Fetch(Call([&] {
    return SPI_execute_with_args(sql, arguments.size(), arguments.types(), arguments.values(),
                                 arguments.nulls(), read_only, limit);
  }));
}

Rows Spi::Run(SPIPlanPtr plan, const std::vector<Param>& params, bool read_only) {
  const Arguments arguments(params);
  return Fetch(Call(
      [&] { return SPI_execute_plan(plan, arguments.values(), arguments.nulls(), read_only, 0); }));
}

Rows Spi::Fetch(int result) {
  if (result < 0) {
    throw Error(ERRCODE_INTERNAL_ERROR, std::string("SPI: ") + SPI_result_code_string(result));
  }
  Rows rows;
  rows.processed_ = SPI_processed;
  SPITupleTable* table = SPI_tuptable;
  if (table == nullptr) {
    return rows;
  }
  rows.columns_ = static_cast<size_t>(table->tupdesc->natts);
  rows.cells_.reserve(rows.columns_ * rows.processed_);
  for (uint64_t row = 0; row < rows.processed_; ++row) {
    for (size_t column = 1; column <= rows.columns_; ++column) {
      char* text = Call(
          [&] { return SPI_getvalue(table->vals[row], table->tupdesc, static_cast<int>(column)); });
      rows.cells_.push_back(text != nullptr ? std::optional<std::string>(text) : std::nullopt);
      if (text != nullptr) {
        pfree(text);
      }
    }
  }
  SPI_freetuptable(table);
  return rows;
}

uint64_t Spi::Execute(const char* sql, const std::vector<Param>& params) {
  return Query(sql, params).processed();
}

Rows RunPrepared(const char* literal, const std::vector<Param>& params) {
  AsExtensionOwner as_owner;
  ThroughIndexes planning;
  Spi spi;
  return spi.Run(CachedPlan(literal, Arguments(params)), params);
}

Rows RunOnce(const std::string& sql, const std::vector<Param>& params) {
  AsExtensionOwner as_owner;
  Spi spi;
  return spi.Query(sql.c_str(), params);
}

}  // namespace mend::pg
