// The statements by which rows reach a target, planned once for each set of columns.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/table/target.h"

namespace mend::store {

// Owns a plan that SPI has saved. Hold it while it runs: a trigger may make the cache forget it.
class SavedPlan {
 public:
  // Needs an SPI connection.
  SavedPlan(const std::string& sql, std::vector<Oid> types);
  ~SavedPlan();
  SavedPlan(const SavedPlan&) = delete;
  SavedPlan& operator=(const SavedPlan&) = delete;

  SPIPlanPtr get() const { return plan_; }

 private:
  SPIPlanPtr plan_ = nullptr;
};

// As what SPI knows the rows of a set.
inline constexpr char kRowsToInsert[] = "pg_mend_rows";

// Where the rows of a plan come from, and what it does about keys that are there.
enum class RowsFrom : uint8_t {
  Parameters,  // one row
  Store,     // all of kRowsToInsert, which SPI must know: columns c1, c2 ... of the columns' types
  Function,  // all that mend.batch_rows() hands over
  FunctionNewKeys,  // the same, passing over keys that are there; returns what was stored of the
                    // columns `returning`
};

class PlanCache : public table::Attachment {
 public:
  // The plan that inserts these columns (indexes into shape.columns) under the terms of the target.
  // With `clears_rescued`, which is for on_conflict update, one parameter more, text[]: the fields
  // whose older values leave the rescue column. Needs an SPI connection.
  std::shared_ptr<const SavedPlan> Find(const table::Target& target,
                                        const std::vector<int>& columns, RowsFrom from,
                                        const std::vector<int>& returning = {},
                                        bool clears_rescued = false);

  // The plan that updates the stored row whose primary key they bring, as on_conflict update would;
  // nullptr: they bring no more than the key.
  std::shared_ptr<const SavedPlan> FindUpdate(const table::Target& target,
                                              const std::vector<int>& columns, bool clears_rescued);
  // The plan that looks for the row of a primary key, of the same parameters.
  std::shared_ptr<const SavedPlan> FindLook(const table::Target& target,
                                            const std::vector<int>& columns);

 private:
  std::shared_ptr<const SavedPlan> Keep(const std::string& name, const std::string& sql,
                                        std::vector<Oid> types);

  std::unordered_map<std::string, std::shared_ptr<const SavedPlan>> plans_;
};

inline PlanCache& PlansOf(const table::Target& target) {
  return target.Attached<PlanCache>(table::AttachmentSlot::Plans);
}

}  // namespace mend::store
