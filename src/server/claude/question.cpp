#include "server/claude/question.h"

#include <algorithm>
#include <set>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/json_member.h"
#include "core/drift/mask.h"
#include "core/plan/fingerprint.h"
#include "server/apply/patches.h"
#include "server/pg/settings.h"
#include "server/pg/settings_claude.h"
#include "server/pg/spi.h"

namespace mend::claude {
namespace {

using drift::Drift;
using drift::DriftSet;
using drift::Kind;
using plan::claude::Case;
using plan::claude::Share;

constexpr int64_t kSampledRows = 200;
constexpr size_t kSampledMasks = 6;  // a field; of these the prompt shows some
constexpr size_t kSampledBytes = 4096;

std::vector<std::string> Names(const DriftSet& drift, bool missing) {
  std::vector<std::string> names;
  for (const Drift& one : drift) {
    if (missing ? one.kind == Kind::MissingRequired : one.kind == Kind::NewField) {
      names.push_back(one.field);
    }
  }
  return names;
}

const char* Books(apply::Evidence evidence) {
  return evidence == apply::Evidence::Queue ? "mend.queue" : "mend.dead_letters";
}

void ReadTogether(Question* question, apply::Evidence evidence) {
  const std::vector<std::string> fresh = Names(question->drift, false),
                                 missing = Names(question->drift, true);
  if (fresh.empty() || missing.empty()) {
    return;
  }
  const std::string sql = std::string("SELECT f, c, count(*) FROM ") + Books(evidence) +
                          " q, unnest(q.fields) f, unnest(q.fields) c WHERE q.target = $1 AND f = "
                          "ANY ($2) AND c = ANY ($3) "
                          "GROUP BY f, c ORDER BY 3 DESC";
  const pg::Rows rows = pg::RunOnce(
      sql, {pg::ObjectId(question->target), pg::TextArray(fresh), pg::TextArray(missing)});
  for (size_t i = 0; i < rows.size(); ++i) {
    question->together.push_back({rows.text(i, 0), rows.text(i, 1), rows.int8(i, 2)});
  }
}

// Values of different form say more than many of one.
void Sample(const json::Value& root, const std::set<std::string>& fields,
            std::map<std::string, std::set<std::string>>* masks, Question* question) {
  if (!root || root.kind() != json::Kind::Object) {
    return;
  }
  for (json::Value key = root.First(); key; key = root.After(key)) {
    const std::string name(key.text());
    if (fields.count(name) == 0) {
      continue;
    }
    const json::Value value = root.ValueOf(key);
    std::set<std::string>& seen = (*masks)[name];
    if (seen.size() < kSampledMasks && seen.insert(drift::Mask(value)).second) {
      std::string text = value.Serialise();
      if (text.size() <= kSampledBytes) {
        question->samples[name].push_back(std::move(text));
      }
    }
  }
}

void ReadSamples(Question* question, apply::Evidence evidence) {
  std::set<std::string> fields;
  std::vector<std::string> names;
  for (const Drift& drift : question->drift) {
    if (drift.kind != Kind::MissingRequired && fields.insert(drift.field).second) {
      names.push_back(drift.field);
    }
  }
  const std::string sql =
      std::string("SELECT payload FROM ") + Books(evidence) +
      " WHERE target >= $1 AND target <= $1 AND fields && $2 ORDER BY target, id LIMIT $3";
  const pg::Rows rows = pg::RunOnce(
      sql, {pg::ObjectId(question->target), pg::TextArray(names), pg::Int8(kSampledRows)});
  const std::optional<table::Enrollment> enrollment = table::LoadEnrollment(question->target);
  const json::Pointer at = enrollment ? enrollment->at : json::Pointer();
  std::map<std::string, std::set<std::string>> masks;
  for (size_t i = 0; i < rows.size(); ++i) {
    json::Document payload;
    if (!payload.Parse(rows.text(i, 0))) {
      Sample(at.Find(payload.root()).value, fields, &masks, question);
    }
  }
  if (evidence != apply::Evidence::Queue) {
    return;
  }
  const pg::Rows rescued = pg::RunPrepared(
      "SELECT payload FROM mend.rescue_samples WHERE target = $1 AND field = ANY ($2) ORDER BY id "
      "LIMIT $3",
      {pg::ObjectId(question->target), pg::TextArray(names), pg::Int8(kSampledRows)});
  for (size_t i = 0; i < rescued.size(); ++i) {
    json::Document object;
    if (!object.Parse(rescued.text(i, 0))) {
      Sample(object.root(), fields, &masks, question);
    }
  }
}

// Of this table alone: the patches of others name them.
void ReadHistory(Question* question) {
  const pg::Rows rows = pg::RunPrepared(
      "SELECT proposed_ddl, field_map::text, CASE state WHEN 'refused' THEN reason "
      "ELSE 'it was applied and rolled back: no row could be stored with it' END FROM (SELECT * "
      "FROM mend.patches "
      "WHERE target = $1 AND fingerprint = $2 AND planner = 'claude' AND state IN ('refused', "
      "'failed') "
      "AND (proposed_ddl <> '' OR field_map <> '{}') ORDER BY id DESC LIMIT $3) p ORDER BY id",
      {pg::ObjectId(question->target), pg::Text(question->fingerprint),
       pg::Int8(static_cast<int64_t>(plan::claude::kMaxHistory))});
  for (size_t i = 0; i < rows.size(); ++i) {
    plan::claude::Refused& refused = question->history.emplace_back();
    refused.ddl = rows.text(i, 0);
    refused.field_map =
        apply::FieldMapFromJson(rows.text(i, 1)).value_or(std::vector<plan::FieldMapping>());
    refused.reason = rows.text(i, 2);
  }
}

}  // namespace

Case Question::AsCase() const {
  Case input;
  input.shape = &shape;
  input.drift = &drift;
  input.policy = &policy;
  input.max_rewrite_bytes = static_cast<int64_t>(pg::max_rewrite_mb) * 1024 * 1024;
  input.share = share;
  input.together = together;
  input.samples = samples;
  input.history = history;
  return input;
}

DriftSet DriftToAsk(const DriftSet& all, const std::vector<plan::Unplanned>& unplanned) {
  std::vector<bool> asked(all.size());
  bool missing = false;
  for (const plan::Unplanned& one : unplanned) {
    asked[one.drift] = true;
    missing = missing || all[one.drift].kind == Kind::MissingRequired;
  }
  DriftSet drift;
  for (size_t i = 0; i < all.size() && drift.size() < plan::claude::kMaxDrifts; ++i) {
    if (asked[i] || (missing && all[i].kind == Kind::NewField)) {
      drift.push_back(all[i]);
    }
  }
  return drift;
}

std::string Fingerprint(const Question& question) {
  base::Hash hash;
  hash.Add(plan::DriftFingerprint(question.shape, question.drift));
  for (const plan::Column& column : question.shape.columns) {
    hash.Add(uint64_t{!column.type_locked_by.empty()});
  }
  for (const plan::ActionKind kind : question.policy.allow) {
    hash.Add(plan::Name(kind));
  }
  hash.Add(uint64_t{question.policy.held_fields.size()});
  for (const auto& [field, reason] : question.policy.held_fields) {
    hash.Add(field);
  }
  for (const auto& [rejected, reason] : question.policy.rejected) {
    hash.Add(rejected.first).Add(plan::Name(rejected.second));
  }
  for (const auto& [column, reason] : question.policy.held_columns) {
    hash.Add(column);
  }
  for (const plan::Hint& hint : question.policy.hints) {
    hash.Add(hint.pattern).Add(hint.type_text);
  }
  hash.Add(uint64_t{question.share == Share::Values}).Add(pg::model).Add(pg::escalation_model);
  return hash.Hex();
}

void ReadShare(Question* question) {
  const pg::Rows share =
      pg::RunPrepared("SELECT share = 'values' FROM mend.enrollments WHERE target = $1",
                      {pg::ObjectId(question->target)});
  question->share = !share.empty() && share.boolean(0, 0) ? Share::Values : Share::Shape;
}

void ReadEvidence(Question* question, apply::Evidence evidence) {
  ReadTogether(question, evidence);
  ReadSamples(question, evidence);
  ReadHistory(question);
}

plan::claude::Settings SettingsFor(const plan::claude::Endpoint& endpoint) {
  plan::claude::Settings settings;
  settings.endpoint = endpoint;
  settings.model = pg::model;
  settings.escalation_model = pg::escalation_model;
  settings.max_turns = pg::max_turns;
  settings.request_timeout_ms = pg::request_timeout_ms;
  settings.connect_timeout_ms =
      std::min<int64_t>(settings.connect_timeout_ms, settings.request_timeout_ms);
  return settings;
}

}  // namespace mend::claude
