// Rows into pg_mend's own tables, without the executor.
#pragma once

#include <functional>
#include <memory>

#include "server/store/direct_plan.h"
#include "server/table/row.h"
#include "server/table/target.h"

namespace mend::queue {

// One of pg_mend's tables, as this session last saw it.
class OwnTable {
 public:
  static constexpr int kQueue = 0, kDeadLetters = 1, kRescues = 2;
  static OwnTable& Of(int which);

  // Index of a column in the rows given to Write(); -1: there is none.
  int ColumnAt(const char* name) const;

  // Opens the table for the length of `use`. False, with nothing done, where somebody has hung a
  // trigger or the like on it: then the executor must write.
  bool With(const std::function<void(Relation)>& use);
  // Inside With(): as the extension's owner, with the defaults of the columns that the rows do not
  // bring.
  void Write(Relation relation, std::vector<table::Row>* rows);

 private:
  explicit OwnTable(const char* name) : name_(name) {}
  bool Load(Relation relation);

  const char* name_;
  Oid relid_ = InvalidOid;
  bool stale_ = true;
  std::unique_ptr<const table::Target> table_;
  std::shared_ptr<const store::DirectPlan> plan_;

  static void OnRelcacheChange(Oid relid);
};

}  // namespace mend::queue
