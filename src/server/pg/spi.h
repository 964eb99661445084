// SQL from C++: connections by scope, typed parameters, results as values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/pg/call.h"
#include "server/pg/unwinding.h"

namespace mend::pg {

// One parameter of a query. Build in a memory context that lives until the query is done.
struct Param {
  Oid type;
  Datum value;
  bool null;
};
Param Text(std::string_view value);
inline Param Text(const std::string& value) { return Text(std::string_view(value)); }
inline Param Text(const char* value) { return Text(std::string_view(value)); }
Param Text(const std::optional<std::string>& value);
Param Int8(int64_t value);
Param Int8(const std::optional<int64_t>& value);
Param Int4(int32_t value);
Param Bool(bool value);
Param ObjectId(Oid value);           // type oid; cast in SQL: $1::regclass
Param Name(std::string_view value);  // type name
Param Int8Array(const std::vector<int64_t>& values);
Param TextArray(const std::vector<std::string_view>& values);
Param TextArray(const std::vector<std::string>& values);
Param NullText();

// The rows of one query, copied out of PostgreSQL's memory, as text.
class Rows {
 public:
  size_t size() const { return columns_ == 0 ? processed_ : cells_.size() / columns_; }
  bool empty() const { return size() == 0; }
  // Rows affected, also where nothing was returned.
  uint64_t processed() const { return processed_; }
  bool IsNull(size_t row, size_t column) const { return !cells_.at(row * columns_ + column); }
  // The value's text; of a null, "" and 0 and false. A row that is not there throws: one may go
  // between two statements.
  const std::string& text(size_t row, size_t column) const;
  std::optional<std::string> maybe(size_t row, size_t column) const {
    return cells_.at(row * columns_ + column);
  }
  int64_t int8(size_t row, size_t column) const;
  Oid oid(size_t row, size_t column) const { return static_cast<Oid>(int8(row, column)); }
  bool boolean(size_t row, size_t column) const { return text(row, column) == "t"; }

 private:
  friend class Spi;
  size_t columns_ = 0;
  uint64_t processed_ = 0;
  std::vector<std::optional<std::string>> cells_;
};

// Connects to SPI for the scope. Needs a transaction and, for queries that read, a snapshot: in a
// worker, pg::Transaction gives both.
class Spi {
 public:
  Spi();
  ~Spi();
  Spi(const Spi&) = delete;
  Spi& operator=(const Spi&) = delete;

  // Plans and runs one statement. `limit` 0: all rows. `read_only`: a query that sees what the
  // active snapshot sees, instead of taking a new one.
  Rows Query(const char* sql, const std::vector<Param>& params = {}, long limit = 0,
             bool read_only = false);
  // The same with a plan that is there.
  Rows Run(SPIPlanPtr plan, const std::vector<Param>& params, bool read_only = false);
  // Runs a statement that returns nothing of interest; gives the number of rows affected.
  uint64_t Execute(const char* sql, const std::vector<Param>& params = {});

 private:
  Rows Fetch(int result);

  Unwinding unwinding_;
};

// One SPI query in a scope of its own, as the owner of the extension, with search_path pinned. The
// session keeps the plan, which is made for any parameters, and through indexes: planning would
// take longer than most of these queries, and the books grow faster than they are analysed. For
// texts that are the same every time.
Rows RunPrepared(const char* literal, const std::vector<Param>& params = {});
// The same for a text made at run time, which is planned for this once.
Rows RunOnce(const std::string& sql, const std::vector<Param>& params = {});

}  // namespace mend::pg
