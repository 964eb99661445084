// The misfits of the payload at hand, in PostgreSQL's words where it has some.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/drift/kind.h"
#include "server/table/target.h"

namespace mend::ingest {

class MisfitWriter {
 public:
  explicit MisfitWriter(const table::Target& target) : target_(target) {}

  void Begin(std::vector<drift::Misfit>* misfits) {
    misfits_ = misfits;
    before_ = misfits->size();
  }
  // Whether the payload has one.
  bool any() const { return misfits_->size() != before_; }
  std::vector<drift::Misfit>* all() const { return misfits_; }

  // `column`: index into shape.columns, or -1. `token`: the value's place on the payload's tape.
  void Add(drift::Kind kind, drift::Cause cause, std::string_view field, int column,
           std::string_view sqlstate, std::string message, uint32_t token, std::string about = {});
  void AddMissing(std::string_view field, int column, uint32_t token);
  // A value for a column that the database computes.
  void AddComputed(std::string_view key, int column, uint32_t token);
  // A payload that shares no key with the table is hardly a record with so many new fields.
  void MarkEnvelope();

 private:
  const plan::Column& ColumnOf(int column) const {
    return target_.shape().columns[static_cast<size_t>(column)];
  }

  const table::Target& target_;
  std::vector<drift::Misfit>* misfits_ = nullptr;
  size_t before_ = 0;  // misfits when the payload's turn came
};

}  // namespace mend::ingest
