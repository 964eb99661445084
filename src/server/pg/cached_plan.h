// Queries on pg_mend's own books, whose plans the session keeps.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "server/pg/spi.h"
#include "server/pg/user.h"

namespace mend::pg {

// Parameters as SPI takes them.
class Arguments {
 public:
  explicit Arguments(const std::vector<Param>& params);
  int size() const { return static_cast<int>(types_.size()); }
  // SPI takes them by pointers that are not const, and changes nothing.
  Oid* types() const { return types_.data(); }
  Datum* values() const { return values_.data(); }
  const char* nulls() const { return nulls_.c_str(); }

 private:
  mutable std::vector<Oid> types_;
  mutable std::vector<Datum> values_;
  std::string nulls_;
};

// How plans of the books are made in the scope, at first and whenever PostgreSQL finds that they
// must be made anew: along an index, in its order, and no further than wanted, whatever the
// statistics say. To them the queue is mostly empty.
class ThroughIndexes {
 public:
  ThroughIndexes() {
    enable_seqscan = false;
    enable_bitmapscan = false;
    enable_sort = false;
    jit_enabled = false;
  }
  ~ThroughIndexes() {
    enable_seqscan = seqscan_;
    enable_bitmapscan = bitmapscan_;
    enable_sort = sort_;
    jit_enabled = jit_;
  }
  ThroughIndexes(const ThroughIndexes&) = delete;
  ThroughIndexes& operator=(const ThroughIndexes&) = delete;

 private:
  bool seqscan_ = enable_seqscan;
  bool bitmapscan_ = enable_bitmapscan;
  bool sort_ = enable_sort;
  bool jit_ = jit_enabled;
};

// The plan of a literal, for any parameters of the types of these; made now if need be. Needs an
// SPI connection.
SPIPlanPtr CachedPlan(const char* literal, const Arguments& arguments);

// The rows of one query on the books as PostgreSQL holds them, front to back: for many rows, or
// wide ones, of which no copy is wanted. They come by the hundred, so that whoever stops early has
// not read the rest. The same as RunPrepared() in all else. SPI is connected while it lives.
class RowCursor {
 public:
  RowCursor(const char* literal, const std::vector<Param>& params);
  ~RowCursor();
  RowCursor(const RowCursor&) = delete;
  RowCursor& operator=(const RowCursor&) = delete;

  // Goes on to the next row, the first one at first; false at the end.
  bool Next();
  // Of the row: by place, and by its type. Of a null: 0, false and "".
  int64_t int8(size_t column) const { return DatumGetInt64(values_[column]); }
  int32_t int4(size_t column) const { return DatumGetInt32(values_[column]); }
  Oid oid(size_t column) const { return DatumGetObjectId(values_[column]); }
  bool boolean(size_t column) const { return DatumGetBool(values_[column]); }
  // Good until Next().
  std::string_view text(size_t column) const;

 private:
  static constexpr long kAtOnce = 100;

  void Fetch();

  AsExtensionOwner as_owner_;
  ThroughIndexes planning_;
  Spi spi_;
  Unwinding unwinding_;
  Portal cursor_ = nullptr;
  SPITupleTable* table_ = nullptr;
  size_t fetched_ = 0;
  size_t next_ = 0;
  std::vector<Datum> values_;
  std::unique_ptr<bool[]> nulls_;
};

}  // namespace mend::pg
