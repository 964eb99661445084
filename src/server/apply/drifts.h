// mend.drifts: the profile of a table's misfits, folded row by row.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/drift/drift.h"
#include "server/pg/call.h"
#include "server/pg/spi.h"

namespace mend::apply {

// The columns that ReadDrift takes, of mend.drifts as d.
#define MEND_DRIFT_COLUMNS \
  "d.id, d.field, d.column_name, d.kind, d.row_count, d.profile::text, d.cause, d.rescued"
drift::Drift ReadDrift(const pg::Rows& rows, size_t i);

class DriftStore {
 public:
  // Reads the unsettled drift of the table.
  explicit DriftStore(Oid target);

  // Folds one misfit of one payload in, which brings `new_fields` fields without a column. Past
  // limits::kMostNewFields a field that is not known yet is counted, and no more.
  void Add(const drift::Misfit& misfit, const json::Document& payload, int64_t new_fields);
  // Folds in what ingest has on record of rescued rows.
  void AddRescued(const drift::Drift& rescued);
  // Writes what was added back, in the current transaction. A drift that was dead-lettered before
  // and shows again is opened anew, with a fresh profile.
  void Save(const std::string& target_name);

  const drift::DriftSet& drifts() const& { return drifts_; }
  const drift::DriftSet& drifts() && =
      delete;  // a loop over a temporary book's drifts would outlive it
  // Misfits that found no room.
  int64_t unrecorded() const { return unrecorded_; }
  // Index into drifts(), or -1.
  int Find(const drift::Class& values) const;

 private:
  // Index of the drift, made if need be; -1: there is no room.
  int FindOrMake(const drift::Class& values, const std::string& column);

  Oid target_;
  drift::DriftSet drifts_;
  size_t new_fields_ = 0;
  int64_t unrecorded_ = 0;
  std::vector<int64_t> added_;  // rows since the last Save, by index
  std::map<drift::Class, int> index_;
};

// Settles unsettled drift: state is one of mend.drifts.state.
void SettleDrift(int64_t drift_id, const char* state, const std::string& reason,
                 std::optional<int64_t> patch_id);

}  // namespace mend::apply
