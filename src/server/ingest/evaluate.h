// One payload against one target: a row of Datums, or every misfit.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/base/json.h"
#include "core/drift/kind.h"
#include "server/convert/jsonb_parts.h"
#include "server/ingest/rescued_values.h"
#include "server/table/row.h"
#include "server/table/target.h"

namespace mend::ingest {

// Evaluates many payloads against one target, and remembers what they have in common: the keys that
// come at each place, the types of the columns.
class Evaluator {
 public:
  explicit Evaluator(const table::Target& target);
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  // As Evaluate() below. Without a row values are judged, and not made.
  void Evaluate(const json::Value& payload, table::Row* row, std::vector<drift::Misfit>* misfits);
  // The misfits of the flagged columns alone, of keys that mean no column, and of what is missing:
  // for a payload that `other` has just evaluated, and whose other values are known to fit. The
  // columns are the same at every call.
  void EvaluateAfter(const Evaluator& other, const json::Value& payload,
                     const std::vector<char>& columns, std::vector<drift::Misfit>* misfits);
  // The same of a jsonb, which must stay as long as the row.
  void Evaluate(const convert::JsonbPart& payload, table::Row* row,
                std::vector<drift::Misfit>* misfits);
  // Whether the order of payloads for one row is kept.
  bool KeepsOrder();
  // Then, of the row that the last payload means, whether the payload fits or not: a number that
  // its key has; nullopt where it does not say all of the key. Its values must have been made.
  std::optional<int64_t> Key() const;
  // Whether the payloads to come that have no other misfits than values that can be rescued are
  // rows without misfits, with those values in the target's rescue column. Not at first.
  void Rescue(bool wanted);
  // What the last row has in its rescue column. Good until the next payload.
  const std::vector<RescuedField>& rescued() const;

  // One field of a rescued object.
  struct Promoted {
    std::string_view field;
    int column = -1;  // to which the value goes, as it is in the row; -1: it stays
  };
  // The same for an object of a rescue column, whose fields are judged one by one: `row` has the
  // values that fit their columns by now. A misfit is of a field that has
  // still to be healed.
  void EvaluateRescued(const convert::JsonbPart& object, table::Row* row,
                       std::vector<Promoted>* fields, std::vector<drift::Misfit>* misfits);

  // Whether payloads that lack what a new row must have may be for rows that are stored. So at
  // first; without, they are misfits.
  void MayUpdate(bool may);
  // Whether the payloads to come are records, wherever the enrolment says that records are. Not at
  // first.
  void TakesRecords(bool records);

  // Before the memory context is reset that was current when it evaluated.
  void ForgetMemory();
  // Bytes that grow with payloads, about.
  size_t capacity() const;

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

// Converts without storing. Appends every misfit; with none, `row` is ready to be stored. Datums
// are allocated in CurrentMemoryContext. Never raises for what the payload says; throws pg::Error
// on cancel and the like. Works for shapes that exist only as values (Patched): a proof takes no
// lock. A payload that is no object is one Malformed misfit.
void Evaluate(const table::Target& target, const json::Document& payload, table::Row* row,
              std::vector<drift::Misfit>* misfits);

}  // namespace mend::ingest
