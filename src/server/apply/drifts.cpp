#include "server/apply/drifts.h"

#include "core/limits/breaker.h"
#include "server/pg/spi.h"

namespace mend::apply {

drift::Drift ReadDrift(const pg::Rows& rows, size_t i) {
  drift::Drift drift;
  drift.id = rows.int8(i, 0);
  drift.field = rows.text(i, 1);
  drift.column = rows.text(i, 2);
  drift.kind = drift::KindFromName(rows.text(i, 3)).value_or(drift::Kind::Malformed);
  drift.row_count = rows.int8(i, 4);
  drift.profile = drift::Profile::FromJson(rows.text(i, 5)).value_or(drift::Profile());
  drift.cause = drift::CauseFromCode(rows.text(i, 6)).value_or(drift::Cause::Unspecified);
  drift.rescued = rows.int8(i, 7);
  return drift;
}

DriftStore::DriftStore(Oid target) : target_(target) {
  pg::Rows rows = pg::RunPrepared("SELECT " MEND_DRIFT_COLUMNS
                                  " FROM mend.drifts d "
                                  "WHERE target = $1 AND state IN ('open', 'waiting') ORDER BY id",
                                  {pg::ObjectId(target)});
  for (size_t i = 0; i < rows.size(); ++i) {
    drift::Drift drift = ReadDrift(rows, i);
    index_[drift::ClassOf(drift)] = static_cast<int>(drifts_.size());
    new_fields_ += drift.kind == drift::Kind::NewField ? 1 : 0;
    drifts_.push_back(std::move(drift));
    added_.push_back(0);
  }
}

int DriftStore::Find(const drift::Class& values) const {
  auto found = index_.find(values);
  return found == index_.end() ? -1 : found->second;
}

int DriftStore::FindOrMake(const drift::Class& values, const std::string& column) {
  const auto& [field, kind, cause] = values;
  int at = Find(values);
  if (at < 0 && kind == drift::Kind::NewField && ++new_fields_ > limits::kMostNewFields) {
    --new_fields_;
    return -1;
  }
  if (at < 0) {
    at = static_cast<int>(drifts_.size());
    drift::Drift drift;
    drift.field = field;
    drift.column = column;
    drift.kind = kind;
    drift.cause = cause;
    drifts_.push_back(std::move(drift));
    added_.push_back(0);
    index_[values] = at;
  }
  return at;
}

void DriftStore::AddRescued(const drift::Drift& rescued) {
  // Without a field: of more fields than a transaction has told of.
  const int at = rescued.field.empty() ? -1 : FindOrMake(drift::ClassOf(rescued), rescued.column);
  if (at < 0) {
    unrecorded_ += rescued.rescued;
    return;
  }
  drift::Drift& drift = drifts_[static_cast<size_t>(at)];
  drift.profile.Merge(rescued.profile);
  drift.row_count += rescued.rescued;
  drift.rescued += rescued.rescued;
  added_[static_cast<size_t>(at)] += rescued.rescued;
}

void DriftStore::Add(const drift::Misfit& misfit, const json::Document& payload,
                     int64_t new_fields) {
  const int at = FindOrMake(drift::ClassOf(misfit), misfit.column);
  if (at < 0) {
    ++unrecorded_;
    return;
  }
  drift::Drift& drift = drifts_[static_cast<size_t>(at)];
  if (misfit.token == 0) {
    drift.profile.AddAbsent();
  } else if (json::Document read; !misfit.read.empty() && !read.Parse(misfit.read)) {
    drift.profile.Add(read.root());
  } else {
    drift.profile.Add(json::Value(&payload, misfit.token));
  }
  if (misfit.kind == drift::Kind::NewField) {
    drift.profile.AddCompany(new_fields);
  }
  ++drift.row_count;
  ++added_[static_cast<size_t>(at)];
}

void DriftStore::Save(const std::string& target_name) {
  for (size_t i = 0; i < drifts_.size(); ++i) {
    drift::Drift& drift = drifts_[i];
    if (added_[i] == 0) {
      continue;
    }
    std::vector<pg::Param> params = {
        pg::ObjectId(target_),
        pg::Text(target_name),
        pg::Text(drift.field),
        pg::Text(drift.column.empty() ? std::nullopt : std::optional<std::string>(drift.column)),
        pg::Text(drift::Name(drift.kind)),
        pg::Int8(drift.row_count),
        pg::Text(drift.profile.ToJson()),
        pg::Text(drift::Code(drift.cause)),
        pg::Int8(drift.rescued)};
    if (drift.id == 0) {
      pg::Rows reopened = pg::RunPrepared(
          "UPDATE mend.drifts SET state = 'open', reason = NULL, patch_id = NULL, last_seen = "
          "now(), "
          "target_name = $2, column_name = $4, row_count = $6, profile = $7::jsonb, "
          "rescued = rescued + $9 "
          "WHERE id = (SELECT max(id) FROM mend.drifts WHERE target = $1 AND field = $3 AND kind = "
          "$5 AND cause = $8 "
          "AND state = 'dead_lettered') RETURNING id",
          params);
      if (reopened.empty()) {
        reopened = pg::RunPrepared(
            "INSERT INTO mend.drifts (target, target_name, field, column_name, kind, row_count, "
            "profile, cause, rescued) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9) RETURNING id",
            params);
      }
      drift.id = reopened.int8(0, 0);
    } else {
      params.push_back(pg::Int8(drift.id));
      pg::RunPrepared(
          "UPDATE mend.drifts SET last_seen = now(), target_name = $2, column_name = $4, row_count "
          "= $6, "
          "profile = $7::jsonb, rescued = $9 WHERE id = $10 AND target = $1 AND field = $3 AND "
          "kind "
          "= $5 AND cause = $8",
          params);
    }
    added_[i] = 0;
  }
}

void SettleDrift(int64_t drift_id, const char* state, const std::string& reason,
                 std::optional<int64_t> patch_id) {
  pg::RunPrepared(
      "UPDATE mend.drifts SET state = $2, reason = nullif($3, ''), patch_id = coalesce($4, "
      "patch_id) "
      "WHERE id = $1 AND state IN ('open', 'waiting') "
      "AND (state, coalesce(reason, ''), patch_id) IS DISTINCT FROM ($2, $3, coalesce($4, "
      "patch_id))",
      {pg::Int8(drift_id), pg::Text(state), pg::Text(reason), pg::Int8(patch_id)});
}

}  // namespace mend::apply
