#include "server/queue/enqueue.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/json.h"
#include "core/base/utf8.h"
#include "server/pg/catalog.h"
#include "server/pg/memory.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"
#include "server/queue/own_table.h"
#include "server/queue/room.h"
#include "server/store/insert_plan.h"
#include "server/table/code.h"

namespace mend::queue {
namespace {

using drift::Kind;
using drift::Misfit;

constexpr size_t kMaxErrorBytes = 1000;
constexpr size_t kMaxAboutBytes = 500;
// PostgreSQL takes a gigabyte for a row, and the books have more to say than the payload.
constexpr size_t kMaxPayloadBytes = 1000 * 1000 * 1000;

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
  using drift::Cause;
  switch (misfit.cause) {
    case Cause::UniqueViolation:
    case Cause::ExclusionViolation:
    case Cause::CheckViolation:
    case Cause::Policy: return drift::Phrase(misfit.cause, {}, misfit.about);
    case Cause::DomainCheck:
      return misfit.about.empty() ? "a domain refuses the value"
                                  : "constraint " + misfit.about + " of a domain refuses the value";
    default: return "a trigger, a domain or an expression of the table refuses the row";
  }
}

std::string AmbiguousReason(const Misfit& misfit) {
  const std::string column = "column \"" + misfit.column + "\"";
  switch (misfit.cause) {
    case drift::Cause::SameColumnTwice:
      if (misfit.column.empty()) {
        return "keys of the payload are spelled as one name: the other is " + misfit.about;
      }
      return "more than one key of the payload means " + column + ": the other is " + misfit.about;
    case drift::Cause::SeveralColumns:
      return "a key of the payload could mean " + column + " or column " + misfit.about;
    default: return "a key of the payload is there twice";
  }
}

}  // namespace

std::string SessionSettings(const table::Enrollment& enrollment) {
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
  // What input functions ask for, and the path.
  for (const char* name : {"TimeZone", "timezone_abbreviations", "DateStyle", "IntervalStyle",
                           "lc_monetary", "xmloption", "search_path"}) {
    add(name);
  }
  for (const std::string& name : enrollment.carry) {
    add(name.c_str());
  }
  return text + '}';
}

namespace {

// The same as jsonb. They seldom change: the last one is kept.
Datum SessionContext(const table::Enrollment& enrollment) {
  static std::string& last_text = *new std::string();
  static Datum last = 0;
  const std::string text = SessionSettings(enrollment);
  if (last == 0 || text != last_text) {
    // Parsing leaves much behind: only its result is kept for the session.
    const pg::Context scratch("pg_mend session settings");
    const pg::Switch here(scratch.get());
    const Datum made = pg::Call([&] {
      const Datum parsed = DirectFunctionCall1(jsonb_in, CStringGetDatum(text.c_str()));
      MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
      const Datum copy = datumCopy(parsed, false, -1);
      MemoryContextSwitchTo(old);
      return copy;
    });
    if (last != 0) {
      pfree(DatumGetPointer(last));
    }
    last = made;
    last_text = text;
  }
  return last;
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

// Rows that go to one table in one statement: the table's checks are then set up once, not once a
// row.
constexpr size_t kRowsAtOnce = 1000;

// An array literal, for a column of arrays that travels inside one array of text.
std::string ArrayLiteral(const std::vector<std::string>& elements) {
  std::string text = "{";
  for (const std::string& element : elements) {
    text += text.size() > 1 ? ",\"" : "\"";
    for (char c : element) {
      if (c == '"' || c == '\\') {
        text += '\\';
      }
      text += c;
    }
    text += '"';
  }
  return text + '}';
}

// Saved for the session. Planned and run as the extension's owner only, under its search_path.
const store::SavedPlan& PlanFor(bool dead_letter) {
  static const store::SavedPlan* plans[2] = {nullptr, nullptr};
  const store::SavedPlan*& plan = plans[dead_letter ? 1 : 0];
  if (plan == nullptr) {
    const std::string table = dead_letter ? "mend.dead_letters" : "mend.queue";
    const std::string reason = dead_letter ? ", reason, overtaken" : "";
    plan = new store::SavedPlan(
        "INSERT INTO " + table +
            " (target, target_name, submitter, submitted_by, session_submitter, "
            "session_submitted_by, context, code, payload, sqlstate, error, kind, field, fields, "
            "cause, about, key_hash" +
            reason +
            ") SELECT $1::regclass, $2, $3, $4, nullif($5, $3), "
            "CASE WHEN $5 <> $3 THEN $6 END, $7, $8, r.payload, r.sqlstate, r.error, r.kind, "
            "NULLIF(r.field, ''), r.fields::text[], r.cause, NULLIF(r.about, ''), NULLIF(r.key, "
            "'')::bigint" +
            (dead_letter ? ", r.reason, r.overtaken::boolean" : "") +
            " FROM ROWS FROM (unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), "
            "unnest($14), unnest($15), unnest($16), unnest($17), unnest($18), unnest($19)) "
            "AS r (payload, sqlstate, error, kind, field, fields, reason, cause, about, key, "
            "overtaken)",
        {OIDOID, TEXTOID, OIDOID, NAMEOID, OIDOID, NAMEOID, JSONBOID, JSONBOID, TEXTARRAYOID,
         TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
         TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID});
  }
  return *plan;
}

// What rows of one fate have in columns of their own.
struct Columns {
  std::vector<std::string_view> payloads;
  std::vector<std::string> sqlstates, errors, kinds, fields, all_fields, reasons, causes, abouts,
      keys, overtaken;

  void Add(const Rejected& row, bool dead_letter) {
    const Misfit& culprit = Culprit(row.misfits);
    payloads.push_back(row.payload);
    sqlstates.push_back(culprit.sqlstate);
    errors.emplace_back(base::CutUtf8(culprit.message, kMaxErrorBytes));
    kinds.emplace_back(drift::Name(culprit.kind));
    fields.push_back(culprit.field);
    all_fields.push_back(ArrayLiteral(FieldsOf(row.misfits)));
    reasons.push_back(dead_letter ? DeadLetterReason(row.misfits) : "");
    causes.emplace_back(drift::Code(culprit.cause));
    abouts.emplace_back(base::CutUtf8(culprit.about, kMaxAboutBytes));
    keys.push_back(row.key ? std::to_string(*row.key) : "");
    overtaken.emplace_back(row.overtaken ? "t" : "f");
  }
};

// What rows of one call have in common: who offers them, and to which code of the table.
struct Offer {
  Oid submitter, session_submitter;
  Datum context, code;
};

class Keeper {
 public:
  Keeper(const table::Target& target, const Offer& offer)
      : common_{pg::ObjectId(target.shape().relid),
                pg::Text(pg::QualifiedName(target.shape().relid)),
                pg::ObjectId(offer.submitter),
                pg::Name(pg::RoleName(offer.submitter)),
                pg::ObjectId(offer.session_submitter),
                pg::Name(pg::RoleName(offer.session_submitter)),
                {JSONBOID, offer.context, false},
                {JSONBOID, offer.code, false}} {}

  void Keep(const Columns& rows, bool dead_letter) {
    const pg::Param own[] = {
        pg::TextArray(rows.payloads), pg::TextArray(rows.sqlstates), pg::TextArray(rows.errors),
        pg::TextArray(rows.kinds),    pg::TextArray(rows.fields),    pg::TextArray(rows.all_fields),
        pg::TextArray(rows.reasons),  pg::TextArray(rows.causes),    pg::TextArray(rows.abouts),
        pg::TextArray(rows.keys),     pg::TextArray(rows.overtaken)};
    Datum values[19];
    int count = 0;
    for (const pg::Param& param : common_) {
      values[count++] = param.value;
    }
    for (const pg::Param& param : own) {
      values[count++] = param.value;
    }
    const store::SavedPlan& plan = PlanFor(dead_letter);
    const int result =
        pg::Call([&] { return SPI_execute_plan(plan.get(), values, nullptr, false, 0); });
    if (result < 0) {
      throw pg::Error(ERRCODE_INTERNAL_ERROR,
                      std::string("SPI: ") + SPI_result_code_string(result));
    }
  }

 private:
  pg::Param common_[8];
};

Datum TextDatum(std::string_view text) {
  return pg::Call([&] {
    return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
  });
}

// The same rows by their columns' names, for a direct write.
class RowCursor {
 public:
  RowCursor(const OwnTable& book, const table::Target& target, const Offer& offer) : book_(book) {
    common_ = {{"target", ObjectIdGetDatum(target.shape().relid)},
               {"target_name", TextDatum(pg::QualifiedName(target.shape().relid))},
               {"submitter", ObjectIdGetDatum(offer.submitter)},
               {"submitted_by", pg::Name(pg::RoleName(offer.submitter)).value},
               {"context", offer.context},
               {"code", offer.code}};
    if (offer.session_submitter != offer.submitter) {
      common_.emplace_back("session_submitter", ObjectIdGetDatum(offer.session_submitter));
      common_.emplace_back("session_submitted_by",
                           pg::Name(pg::RoleName(offer.session_submitter)).value);
    }
  }

  void Add(const Rejected& rejected, bool dead_letter) {
    const Misfit& culprit = Culprit(rejected.misfits);
    std::vector<std::pair<int, Datum>> cells;
    const auto put = [&](const char* name, Datum value) {
      cells.emplace_back(book_.ColumnAt(name), value);
    };
    for (const auto& [name, value] : common_) {
      put(name, value);
    }
    put("payload", TextDatum(rejected.payload));
    put("sqlstate", TextDatum(culprit.sqlstate));
    put("error", TextDatum(base::CutUtf8(culprit.message, kMaxErrorBytes)));
    put("kind", TextDatum(drift::Name(culprit.kind)));
    if (!culprit.field.empty()) {
      put("field", TextDatum(culprit.field));
    }
    put("fields", pg::TextArray(FieldsOf(rejected.misfits)).value);
    if (rejected.key) {
      put("key_hash", Int64GetDatum(*rejected.key));
    }
    put("cause", TextDatum(drift::Code(culprit.cause)));
    if (!culprit.about.empty()) {
      put("about", TextDatum(base::CutUtf8(culprit.about, kMaxAboutBytes)));
    }
    if (dead_letter && rejected.overtaken) {
      put("overtaken", BoolGetDatum(true));
    }
    if (dead_letter) {
      put("reason", TextDatum(DeadLetterReason(rejected.misfits)));
    }
    std::sort(cells.begin(), cells.end());
    table::Row& row = rows_.emplace_back();
    for (const auto& [column, value] : cells) {
      row.columns.push_back(column);
      row.values.push_back(value);
      row.nulls.push_back(0);
    }
  }

  std::vector<table::Row>* rows() { return &rows_; }

 private:
  const OwnTable& book_;
  std::vector<std::pair<const char*, Datum>> common_;
  std::vector<table::Row> rows_;
};

// All rows of one fate, in chunks. False where the executor must write them.
bool KeepDirectly(const table::Target& target, const std::vector<Rejected>& rows, bool dead_letter,
                  const Offer& offer) {
  OwnTable& book = OwnTable::Of(dead_letter ? OwnTable::kDeadLetters : OwnTable::kQueue);
  return book.With([&](Relation relation) {
    pg::Context per_chunk("pg_mend kept rows");
    for (size_t first = 0; first < rows.size(); first += kRowsAtOnce) {
      pg::CheckInterrupts();
      per_chunk.Reset();
      pg::Switch here(per_chunk.get());
      RowCursor book_rows(book, target, offer);
      for (size_t i = first; i < std::min(rows.size(), first + kRowsAtOnce); ++i) {
        if (IsDeadLetter(rows[i].misfits) == dead_letter) {
          book_rows.Add(rows[i], dead_letter);
        }
      }
      if (!book_rows.rows()->empty()) {
        book.Write(relation, book_rows.rows());
      }
    }
  });
}

// Through the executor, where somebody has hung something on the table.
void KeepThroughExecutor(const table::Target& target, const std::vector<Rejected>& rows,
                         bool dead_letter, const Offer& offer) {
  pg::AsExtensionOwner as_owner;
  pg::Spi spi;
  Keeper keeper(target, offer);
  pg::Context per_chunk("pg_mend kept rows");
  for (size_t first = 0; first < rows.size(); first += kRowsAtOnce) {
    pg::CheckInterrupts();
    per_chunk.Reset();
    pg::Switch here(per_chunk.get());
    Columns columns;
    for (size_t i = first; i < std::min(rows.size(), first + kRowsAtOnce); ++i) {
      if (IsDeadLetter(rows[i].misfits) == dead_letter) {
        columns.Add(rows[i], dead_letter);
      }
    }
    if (!columns.payloads.empty()) {
      keeper.Keep(columns, dead_letter);
    }
  }
}

}  // namespace

bool IsDeadLetter(const std::vector<Misfit>& misfits) { return IsFinal(Culprit(misfits)); }

std::string DeadLetterReason(const std::vector<Misfit>& misfits) {
  const Misfit& misfit = Culprit(misfits);
  const std::string column = "column \"" + misfit.column + "\"";
  switch (misfit.kind) {
    case Kind::Ambiguous:
      return misfit.sqlstate == "42939" ? "a key of the payload is called as the rescue column is"
                                        : AmbiguousReason(misfit);
    case Kind::Generated: return column + " computes its own value, and the payload brings another";
    case Kind::Malformed:
      return misfit.cause == drift::Cause::NoRecord ? drift::Phrase(misfit.cause, {}, misfit.about)
             : misfit.cause == drift::Cause::NotAnObject
                 ? "the payload is not a JSON object; an array of them is for healing_load()"
                 : "the payload is not one JSON object that PostgreSQL can store";
    case Kind::Constraint: return ConstraintReason(misfit);
    case Kind::NewField: return "the field has no column";
    case Kind::NoPartition: return "no partition takes the row";
    case Kind::MissingRequired: return column + " needs a value";
    default: return "the value does not fit " + column;
  }
}

EnqueueCounts Enqueue(const table::Target& target, const std::vector<Rejected>& rows) {
  EnqueueCounts kept;
  if (rows.empty()) {
    return kept;
  }
  size_t bytes = 0;
  for (const Rejected& row : rows) {
    bytes += row.payload.size() + kBytesBeside;
    if (row.payload.size() > kMaxPayloadBytes) {
      throw pg::Error(
          ERRCODE_PROGRAM_LIMIT_EXCEEDED,
          "a payload of " + std::to_string(row.payload.size()) +
              " bytes does not fit its table, and is too large to be kept",
          "A payload that is to be queued may have " + std::to_string(kMaxPayloadBytes) + " bytes.",
          Culprit(row.misfits).message);
    }
    ++(IsDeadLetter(row.misfits) ? kept.dead_lettered : kept.queued);
  }
  RequireRoom(GetUserId(), bytes);
  // What is the caller's is read before the extension owner's settings hold.
  const Offer offer = {GetUserId(), GetSessionUserId(), SessionContext(target.enrollment()),
                       table::CodeAsJsonb(target.shape().relid)};
  for (bool dead_letter : {false, true}) {
    if ((dead_letter ? kept.dead_lettered : kept.queued) > 0 &&
        !KeepDirectly(target, rows, dead_letter, offer)) {
      KeepThroughExecutor(target, rows, dead_letter, offer);
    }
  }
  return kept;
}

}  // namespace mend::queue
