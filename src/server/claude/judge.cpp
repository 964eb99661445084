#include "server/claude/judge.h"

#include <algorithm>

#include "core/plan/fingerprint.h"
#include "core/plan/identifier.h"
#include "core/plan/wording.h"
#include "server/apply/patches.h"
#include "server/pg/catalog.h"
#include "server/pg/settings_scope.h"

namespace mend::claude {
namespace {

using drift::Drift;
using drift::Kind;
using plan::Action;
using plan::ActionKind;
using plan::FieldMapping;

const std::string* HeldBecause(const std::vector<std::pair<std::string, std::string>>& held,
                               const std::string& name) {
  for (const auto& [one, reason] : held) {
    if (one == name) {
      return &reason;
    }
  }
  return nullptr;
}

bool IsMappedTo(const plan::Patch& patch, const std::string& column) {
  return std::any_of(patch.field_map.begin(), patch.field_map.end(),
                     [&](const FieldMapping& mapping) { return mapping.column == column; });
}

bool Concerns(const Drift& drift, const Action& action) {
  if (action.kind == ActionKind::AddColumn) {
    return drift.kind == Kind::NewField &&
           (drift.field == action.column || plan::MeanTheSame(drift.field, action.column));
  }
  return drift.column == action.column;
}

// A person's words about what is held stay here.
std::string WhyOutOfScope(const Question& question, const plan::Patch& patch) {
  for (const FieldMapping& mapping : patch.field_map) {
    const bool asked =
        std::any_of(question.drift.begin(), question.drift.end(),
                    [&](const Drift& drift) { return drift.field == mapping.field; });
    if (!asked) {
      return plan::Named("field", mapping.field) +
             " is not in the drift: a patch touches nothing else";
    }
    if (HeldBecause(question.policy.held_fields, mapping.field) != nullptr) {
      return plan::Named("field", mapping.field) + " is to be left alone";
    }
  }
  for (const Action& action : patch.actions) {
    if (action.kind == ActionKind::AddEnumValue) {
      return "labels of an enum are for a person to add";
    }
    if (HeldBecause(question.policy.held_columns, action.column) != nullptr ||
        question.policy.rejected.count({action.column, action.kind}) > 0) {
      return plan::Named("column", action.column) + " is to be left alone";
    }
    const bool asked = std::any_of(question.drift.begin(), question.drift.end(),
                                   [&](const Drift& drift) { return Concerns(drift, action); });
    if (!asked && !IsMappedTo(patch, action.column)) {
      return plan::Named("column", action.column) +
             " is not in the drift: a patch touches nothing else";
    }
  }
  return {};
}

// What holds a column's type may name other tables, and the reason goes to the model: that it is
// held is enough.
std::string WithoutHolders(std::string reason, const plan::Shape& shape) {
  static const std::string kSomething = "something else in the database needs it as it is";
  for (const plan::Column& column : shape.columns) {
    for (const std::string& holder : {column.type_locked_by, column.family_locked_by}) {
      const size_t at = holder.empty() ? std::string::npos : reason.find(holder);
      if (at != std::string::npos) {
        reason.replace(at, holder.size(), kSomething);
      }
    }
  }
  return reason;
}

std::string WhyTooMany(const Question& question, const plan::Patch& patch) {
  const auto added =
      std::count_if(patch.actions.begin(), patch.actions.end(),
                    [](const Action& action) { return action.kind == ActionKind::AddColumn; });
  if (question.shape.max_attnum + added <= question.policy.max_columns) {
    return {};
  }
  return "the table may not grow past " + std::to_string(question.policy.max_columns) + " columns";
}

std::string Cause(drift::Cause cause) {
  return cause == drift::Cause::Unspecified ? "" : ": " + std::string(drift::Code(cause));
}

std::string WhyProvesNothing(const apply::Proof& proof) {
  std::string why =
      "it proves nothing: of " + plan::Rows(proof.tried) + " that wait, none fits thanks to it";
  const char* separator = "; what still does not fit: ";
  for (const auto& [key, rows] : proof.remains) {
    const auto& [field, kind, cause] = key;
    why += separator + (field.empty() ? std::string() : plan::Named("field", field) + " ") + "(" +
           std::string(drift::Name(kind)) + Cause(cause) + ", " + plan::Rows(rows) + ")";
    separator = ", ";
  }
  return why;
}

// The answer's actions and mappings come first in a merged patch.
bool Helps(const apply::Proof& proof, const plan::Patch& answer) {
  const auto any = [](const std::vector<bool>& helps, size_t count) {
    return std::find(helps.begin(), helps.begin() + static_cast<std::ptrdiff_t>(count), true) !=
           helps.begin() + static_cast<std::ptrdiff_t>(count);
  };
  return any(proof.action_helps, answer.actions.size()) ||
         any(proof.mapping_helps, answer.field_map.size());
}

}  // namespace

base::Result<plan::Patch> ReadProposal(const table::Target& target,
                                       const tools::PatchInput& proposal) {
  std::vector<FieldMapping> field_map;
  for (const auto& [field, column] : proposal.field_map) {
    field_map.push_back({field, column});
  }
  const std::string path = pg::QuoteIdentifier(target.shape().schema) + ", pg_temp";
  const pg::SettingsScope own_schema({{"search_path", path.c_str()}});
  std::vector<plan::Action> readings;
  for (const tools::ReadingInput& one : proposal.readings) {
    plan::Action& action = readings.emplace_back();
    action.kind = plan::ActionKind::ReadAs;
    action.column = one.column;
    action.reading = one.reading;
  }
  return apply::ReadPatch(target, proposal.ddl, apply::FieldMapToJson(field_map), readings);
}

Judgement Judge(const Question& question, const tools::PatchInput& proposal,
                const queue::BeforeBatch& before_batch) {
  Judgement judgement;
  const std::shared_ptr<const table::Target> target = table::FindTarget(question.target);
  if (plan::ShapeFingerprint(target->shape()) != plan::ShapeFingerprint(question.shape)) {
    judgement.moot = true;
    return judgement;
  }
  base::Result<plan::Patch> patch = ReadProposal(*target, proposal);
  if (!patch) {
    judgement.reason = WithoutHolders(patch.error().message, question.shape);
    return judgement;
  }
  patch->rationale = proposal.rationale;
  judgement.reason = WhyOutOfScope(question, *patch);
  if (judgement.reason.empty()) {
    judgement.reason = WhyTooMany(question, *patch);
  }
  if (!judgement.reason.empty()) {
    return judgement;
  }
  const apply::Proof proof = apply::Prove(*target, Merge(*patch, question.provable),
                                          apply::Evidence::Queue, nullptr, before_batch);
  judgement.moot = proof.tried == 0;
  judgement.accepted = Helps(proof, *patch);
  if (judgement.accepted) {
    judgement.patch = std::move(*patch);
  } else {
    judgement.reason = WhyProvesNothing(proof);
  }
  return judgement;
}

plan::Patch Merge(const plan::Patch& answer, const plan::Patch& provable) {
  plan::Patch merged = answer;
  const auto maps = [&](const std::string& field) {
    return std::any_of(answer.field_map.begin(), answer.field_map.end(),
                       [&](const FieldMapping& mapping) { return mapping.field == field; });
  };
  for (const Action& action : provable.actions) {
    const bool spoken_of =
        std::any_of(answer.actions.begin(), answer.actions.end(),
                    [&](const Action& other) { return other.column == action.column; });
    // A field that the answer maps elsewhere needs no column of its own.
    bool mapped = action.kind == ActionKind::AddColumn && maps(action.column);
    for (const FieldMapping& mapping : answer.field_map) {
      mapped = mapped || (action.kind == ActionKind::AddColumn &&
                          plan::MeanTheSame(mapping.field, action.column));
    }
    for (const FieldMapping& mapping : provable.field_map) {
      mapped = mapped || (mapping.column == action.column && maps(mapping.field));
    }
    if (!spoken_of && !mapped) {
      merged.actions.push_back(action);
    }
  }
  for (const FieldMapping& mapping : provable.field_map) {
    const bool adds =
        std::any_of(merged.actions.begin(), merged.actions.end(),
                    [&](const Action& action) { return action.column == mapping.column; });
    if (adds && !maps(mapping.field)) {
      merged.field_map.push_back(mapping);
    }
  }
  if (merged.actions.size() > answer.actions.size() && !provable.rationale.empty()) {
    merged.rationale += (merged.rationale.empty() ? "" : " By rule: ") + provable.rationale;
  }
  return merged;
}

bool HoldsAnyOf(const plan::Patch& patch, const plan::Patch& answer) {
  for (const Action& action : answer.actions) {
    for (const Action& held : patch.actions) {
      if (held.column == action.column && held.kind == action.kind) {
        return true;
      }
    }
  }
  for (const FieldMapping& mapping : answer.field_map) {
    for (const FieldMapping& held : patch.field_map) {
      if (held.field == mapping.field) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace mend::claude
