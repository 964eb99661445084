#include "server/pg/cached_plan.h"

#include <string>
#include <unordered_map>

namespace mend::pg {

Arguments::Arguments(const std::vector<Param>& params) : nulls_(params.size(), ' ') {
  for (size_t i = 0; i < params.size(); ++i) {
    types_.push_back(params[i].type);
    values_.push_back(params[i].value);
    nulls_[i] = params[i].null ? 'n' : ' ';
  }
}

SPIPlanPtr CachedPlan(const char* literal, const Arguments& arguments) {
  static auto& plans = *new std::unordered_map<std::string, SPIPlanPtr>();
  SPIPlanPtr& plan = plans[literal];
  if (plan == nullptr) {
    plan = Call([&] {
      SPIPlanPtr made =
          SPI_prepare_cursor(literal, arguments.size(), arguments.types(), CURSOR_OPT_GENERIC_PLAN);
      if (made == nullptr || SPI_keepplan(made) != 0) {
        elog(ERROR, "SPI: %s", SPI_result_code_string(SPI_result));
      }
      return made;
    });
  }
  return plan;
}

RowCursor::RowCursor(const char* literal, const std::vector<Param>& params) {
  const Arguments arguments(params);
  const SPIPlanPtr plan = CachedPlan(literal, arguments);
  cursor_ = Call(
      [&] { return SPI_cursor_open(nullptr, plan, arguments.values(), arguments.nulls(), false); });
}

RowCursor::~RowCursor() {
  // While an error unwinds, PostgreSQL closes it when it rolls back.
  if (!unwinding_) {
    SPI_cursor_close(cursor_);
  }
}

void RowCursor::Fetch() {
  if (table_ != nullptr) {
    SPI_freetuptable(table_);
    table_ = nullptr;
  }
  Call([&] { SPI_cursor_fetch(cursor_, true, kAtOnce); });
  table_ = SPI_tuptable;
  fetched_ = SPI_processed;
  next_ = 0;
  if (nulls_ == nullptr) {
    const auto columns = static_cast<size_t>(table_->tupdesc->natts);
    values_.resize(columns);
    nulls_ = std::make_unique<bool[]>(columns);
  }
}

bool RowCursor::Next() {
  if (next_ == fetched_) {
    Fetch();
  }
  if (next_ == fetched_) {
    return false;
  }
  heap_deform_tuple(table_->vals[next_++], table_->tupdesc, values_.data(), nulls_.get());
  for (size_t i = 0; i < values_.size(); ++i) {
    values_[i] = nulls_[i] ? 0 : values_[i];
  }
  return true;
}

std::string_view RowCursor::text(size_t column) const {
  if (nulls_[column]) {
    return {};
  }
  const varlena* value = Call([&] { return PG_DETOAST_DATUM_PACKED(values_[column]); });
  return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

}  // namespace mend::pg
