#include "server/ingest/enqueue.h"

#include "core/base/json.h"
#include "core/base/utf8.h"
#include "server/ingest/insert_plan.h"
#include "server/pg/catalog.h"
#include "server/pg/memory.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"

namespace mend::ingest {
namespace {

using drift::Kind;
using drift::Misfit;

constexpr size_t kMaxErrorBytes = 1000;

bool IsFinal(const Misfit& misfit) {
  // The referenced row may arrive late.
  const bool waits = misfit.kind == Kind::Constraint && misfit.sqlstate == "23503";
  return drift::IsFinal(misfit.kind) && !waits;
}

// The misfit by which the row is known: the first that made it a dead letter, else the first.
const Misfit& Culprit(const std::vector<Misfit>& misfits) {
  for (const Misfit& misfit : misfits) {
    if (IsFinal(misfit)) {
      return misfit;
    }
  }
  return misfits.front();
}

std::string ConstraintReason(const Misfit& misfit) {
  if (misfit.sqlstate == "23505") return "a row with the same key is already stored";
  if (misfit.sqlstate == "23P01") return "the row conflicts with a stored one under an exclusion constraint";
  if (misfit.sqlstate == "23514") return "a CHECK constraint refuses the row";
  if (misfit.sqlstate == "42501") return "a row-level security policy or a trigger refuses the row";
  return "a trigger, a domain or an expression of the table refuses the row";
}

// The settings that INSERT depends on, as jsonb.
Datum SessionContext(const Enrollment& enrollment) {
  std::string text = "{";
  const auto add = [&](const char* name) {
    const char* value = pg::Call([&] { return GetConfigOption(name, true, false); });
    if (value == nullptr) {
      return;
    }
    text += text.size() > 1 ? "," : "";
    json::AppendQuoted(&text, name);
    text += ':';
    json::AppendQuoted(&text, value);
  };
  for (const char* name : {"TimeZone", "DateStyle", "IntervalStyle", "search_path"}) {
    add(name);
  }
  for (const std::string& name : enrollment.carry) {
    add(name.c_str());
  }
  text += '}';
  return pg::Call([&] { return DirectFunctionCall1(jsonb_in, CStringGetDatum(text.c_str())); });
}

std::vector<std::string> FieldsOf(const std::vector<Misfit>& misfits) {
  std::vector<std::string> fields;
  std::unordered_map<std::string_view, bool> seen;
  for (const Misfit& misfit : misfits) {
    if (!misfit.field.empty() && seen.emplace(misfit.field, true).second) {
      fields.push_back(misfit.field);
    }
  }
  return fields;
}

// Saved for the session; every name in them is qualified, so they need no search_path.
const SavedPlan& PlanFor(bool dead_letter) {
  static const SavedPlan* plans[2] = {nullptr, nullptr};
  const SavedPlan*& plan = plans[dead_letter ? 1 : 0];
  if (plan == nullptr) {
    const std::vector<Oid> types = {OIDOID,  TEXTOID, TEXTOID, OIDOID,      NAMEOID,  TEXTOID,
                                    TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, JSONBOID, TEXTOID};
    const std::string columns =
        "(target, target_name, payload, submitter, submitted_by, sqlstate, error, kind, field, fields, context";
    const std::string values = " VALUES ($1::pg_catalog.regclass, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11";
    plan = dead_letter
               ? new SavedPlan("INSERT INTO mend.dead_letters " + columns + ", reason)" + values + ", $12)", types)
               : new SavedPlan("INSERT INTO mend.queue " + columns + ")" + values + ")",
                               std::vector<Oid>(types.begin(), types.end() - 1));
  }
  return *plan;
}

class Keeper {
 public:
  Keeper(const Target& target, Oid submitter) : enrollment_(target.enrollment()) {
    Set(0, pg::ObjectId(target.shape().relid));
    Set(1, pg::Text(pg::QualifiedName(target.shape().relid)));
    Set(3, pg::ObjectId(submitter));
    Set(4, pg::Name(pg::RoleName(submitter)));
    Set(10, {JSONBOID, SessionContext(enrollment_), false});
  }

  void Keep(const Rejected& row, bool dead_letter) {
    const Misfit& culprit = Culprit(row.misfits);
    Set(2, pg::Text(row.payload));
    Set(5, pg::Text(std::string_view(culprit.sqlstate)));
    Set(6, pg::Text(base::CutUtf8(culprit.message, kMaxErrorBytes)));
    Set(7, pg::Text(drift::Name(culprit.kind)));
    Set(8, culprit.field.empty() ? pg::NullText() : pg::Text(std::string_view(culprit.field)));
    Set(9, pg::TextArray(FieldsOf(row.misfits)));
    if (dead_letter) {
      Set(11, pg::Text(std::string_view(DeadLetterReason(row.misfits))));
    }
    const SavedPlan& plan = PlanFor(dead_letter);
    const int result = pg::Call([&] { return SPI_execute_plan(plan.get(), values_, nulls_, false, 0); });
    if (result < 0) {
      throw pg::Error(ERRCODE_INTERNAL_ERROR, std::string("SPI: ") + SPI_result_code_string(result));
    }
  }

 private:
  void Set(int i, const pg::Param& param) {
    values_[i] = param.value;
    nulls_[i] = param.null ? 'n' : ' ';
  }

  const Enrollment& enrollment_;
  Datum values_[12] = {};
  char nulls_[12] = {};
};

}  // namespace

bool IsDeadLetter(const std::vector<Misfit>& misfits) { return IsFinal(Culprit(misfits)); }

std::string DeadLetterReason(const std::vector<Misfit>& misfits) {
  const Misfit& misfit = Culprit(misfits);
  const std::string column = "column \"" + misfit.column + "\"";
  switch (misfit.kind) {
    case Kind::Ambiguous:
      return misfit.column.empty() ? "a key of the payload is there twice, or more than one column answers to it"
                                   : "more than one key of the payload means " + column;
    case Kind::Generated: return column + " computes its own value, and the payload brings another";
    case Kind::Malformed: return "the payload is not one JSON object that PostgreSQL can store";
    case Kind::Constraint: return ConstraintReason(misfit);
    case Kind::NewField: return "the field has no column";
    case Kind::NoPartition: return "no partition takes the row";
    case Kind::MissingRequired: return column + " needs a value";
    default: return "the value does not fit " + column;
  }
}

Kept Keep(const Target& target, const std::vector<Rejected>& rows) {
  Kept kept;
  if (rows.empty()) {
    return kept;
  }
  const Oid submitter = GetUserId();
  pg::AsBookkeeper bookkeeper;
  pg::Spi spi;
  Keeper keeper(target, submitter);
  pg::Context per_row("pg_mend kept row");
  for (const Rejected& row : rows) {
    pg::CheckInterrupts();
    per_row.Reset();
    pg::Switch here(per_row.get());
    const bool dead_letter = IsDeadLetter(row.misfits);
    keeper.Keep(row, dead_letter);
    ++(dead_letter ? kept.dead_lettered : kept.queued);
  }
  return kept;
}

}  // namespace mend::ingest
