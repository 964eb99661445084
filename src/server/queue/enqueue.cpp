#include "server/queue/enqueue.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/json_writer.h"
#include "core/base/utf8.h"
#include "server/pg/catalog.h"
#include "server/pg/memory.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"
#include "server/queue/dead_letter.h"
#include "server/queue/own_table.h"
#include "server/queue/room.h"
#include "server/store/insert_plan.h"
#include "server/table/code.h"

namespace mend::queue {
namespace {

using drift::Misfit;

constexpr size_t kMaxErrorBytes = 1000;
constexpr size_t kMaxAboutBytes = 500;
// PostgreSQL takes a gigabyte for a row, and the books have more to say than the payload.
constexpr size_t kMaxPayloadBytes = 1000 * 1000 * 1000;

}  // namespace

std::string SessionSettings(const table::Enrollment& enrollment) {
  json::Writer settings;
  settings.Object();
  const auto add = [&](const char* name) {
    const char* value = pg::Call([&] { return GetConfigOption(name, true, false); });
    if (value != nullptr) {
      settings.String(name, value);
    }
  };
  // What input functions ask for, and the path.
  for (const char* name : {"TimeZone", "timezone_abbreviations", "DateStyle", "IntervalStyle",
                           "lc_monetary", "xmloption", "search_path"}) {
    add(name);
  }
  for (const std::string& name : enrollment.carry) {
    add(name.c_str());
  }
  return settings.Close().Take();
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

// What rows of one call have in common: who offers them, and to which code of the table.
struct Offer {
  Oid submitter, session_submitter;
  Datum context, code;
};

Datum TextDatum(std::string_view text) {
  return pg::Call([&] {
    return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
  });
}

// The columns that are written, of both tables; the last two of mend.dead_letters alone.
enum ColumnIndex : size_t {
  kTarget,
  kTargetName,
  kSubmitter,
  kSubmittedBy,
  kSessionSubmitter,
  kSessionSubmittedBy,
  kContext,
  kCode,
  kPayload,
  kSqlstate,
  kError,
  kKind,
  kField,
  kFields,
  kCause,
  kAbout,
  kKeyHash,
  kReason,
  kOvertaken,
  kColumnCount,
};
struct Column {
  const char* name;
  Oid type;
};
constexpr Column kColumns[kColumnCount] = {
    {"target", REGCLASSOID},
    {"target_name", TEXTOID},
    {"submitter", OIDOID},
    {"submitted_by", NAMEOID},
    {"session_submitter", OIDOID},
    {"session_submitted_by", NAMEOID},
    {"context", JSONBOID},
    {"code", JSONBOID},
    {"payload", TEXTOID},
    {"sqlstate", TEXTOID},
    {"error", TEXTOID},
    {"kind", TEXTOID},
    {"field", TEXTOID},
    {"fields", TEXTARRAYOID},
    {"cause", TEXTOID},
    {"about", TEXTOID},
    {"key_hash", INT8OID},
    {"reason", TEXTOID},
    {"overtaken", BOOLOID},
};
size_t ColumnsOf(bool dead_letter) { return dead_letter ? kColumnCount : kReason; }

// The values of one row, in the order of kColumns.
struct Cells {
  Datum values[kColumnCount] = {};
  bool given[kColumnCount] = {};
};

// Makes the rows of one call.
class RowMaker {
 public:
  RowMaker(const table::Target& target, const Offer& offer) {
    Put(kTarget, ObjectIdGetDatum(target.shape().relid));
    Put(kTargetName, TextDatum(pg::QualifiedName(target.shape().relid)));
    Put(kSubmitter, ObjectIdGetDatum(offer.submitter));
    Put(kSubmittedBy, pg::Name(pg::RoleName(offer.submitter)).value);
    if (offer.session_submitter != offer.submitter) {
      Put(kSessionSubmitter, ObjectIdGetDatum(offer.session_submitter));
      Put(kSessionSubmittedBy, pg::Name(pg::RoleName(offer.session_submitter)).value);
    }
    Put(kContext, offer.context);
    Put(kCode, offer.code);
  }

  // Good until the next one.
  const Cells& Make(const Rejected& row) {
    const Misfit& culprit = Culprit(row.misfits);
    std::fill(cells_.given + kPayload, std::end(cells_.given), false);
    Put(kPayload, TextDatum(row.payload));
    Put(kSqlstate, TextDatum(culprit.sqlstate));
    Put(kError, TextDatum(base::CutUtf8(culprit.message, kMaxErrorBytes)));
    Put(kKind, TextDatum(drift::Name(culprit.kind)));
    if (!culprit.field.empty()) {
      Put(kField, TextDatum(culprit.field));
    }
    Put(kFields, pg::TextArray(FieldsOf(row.misfits)).value);
    Put(kCause, TextDatum(drift::Code(culprit.cause)));
    if (!culprit.about.empty()) {
      Put(kAbout, TextDatum(base::CutUtf8(culprit.about, kMaxAboutBytes)));
    }
    if (row.key) {
      Put(kKeyHash, Int64GetDatum(*row.key));
    }
    if (IsDeadLetter(row.misfits)) {
      Put(kReason, TextDatum(DeadLetterReason(row.misfits)));
      Put(kOvertaken, BoolGetDatum(row.overtaken));
    }
    return cells_;
  }

 private:
  void Put(ColumnIndex column, Datum value) {
    cells_.values[column] = value;
    cells_.given[column] = true;
  }

  Cells cells_;
};

// Makes the rows that are dead letters, or those that are not, a chunk at a time.
void ForEachChunk(const table::Target& target, const std::vector<Rejected>& rows, bool dead_letter,
                  const Offer& offer, const std::function<void(const Cells&)>& add,
                  const std::function<void()>& end_chunk) {
  pg::Context per_chunk("pg_mend kept rows");
  for (size_t first = 0; first < rows.size(); first += kRowsAtOnce) {
    pg::CheckInterrupts();
    per_chunk.Reset();
    pg::Switch here(per_chunk.get());
    RowMaker maker(target, offer);
    for (size_t i = first; i < std::min(rows.size(), first + kRowsAtOnce); ++i) {
      if (IsDeadLetter(rows[i].misfits) == dead_letter) {
        add(maker.Make(rows[i]));
      }
    }
    end_chunk();
  }
}

// False where the executor must write them.
bool WriteDirectly(const table::Target& target, const std::vector<Rejected>& rows, bool dead_letter,
                   const Offer& offer) {
  OwnTable& own = OwnTable::Of(dead_letter ? OwnTable::kDeadLetters : OwnTable::kQueue);
  return own.With([&](Relation relation) {
    // In the order of the table's columns.
    std::vector<std::pair<int, size_t>> places;
    for (size_t i = 0; i < ColumnsOf(dead_letter); ++i) {
      places.emplace_back(own.ColumnAt(kColumns[i].name), i);
    }
    std::sort(places.begin(), places.end());
    std::vector<table::Row> chunk;
    ForEachChunk(
        target, rows, dead_letter, offer,
        [&](const Cells& cells) {
          table::Row& row = chunk.emplace_back();
          for (const auto& [place, column] : places) {
            if (cells.given[column]) {
              row.columns.push_back(place);
              row.values.push_back(cells.values[column]);
              row.nulls.push_back(0);
            }
          }
        },
        [&] {
          if (!chunk.empty()) {
            own.Write(relation, &chunk);
          }
          chunk.clear();
        });
  });
}

// Saved for the session. Planned and run as the extension's owner only, under its search_path.
const store::SavedPlan& PlanFor(bool dead_letter) {
  static const store::SavedPlan* plans[2] = {nullptr, nullptr};
  const store::SavedPlan*& plan = plans[dead_letter ? 1 : 0];
  if (plan == nullptr) {
    std::string names, places;
    std::vector<Oid> types;
    for (size_t i = 0; i < ColumnsOf(dead_letter); ++i) {
      names += (i == 0 ? "" : ", ") + std::string(kColumns[i].name);
      places += (i == 0 ? "$" : ", $") + std::to_string(i + 1);
      types.push_back(kColumns[i].type);
    }
    plan = new store::SavedPlan(std::string("INSERT INTO ") +
                                    (dead_letter ? "mend.dead_letters (" : "mend.queue (") + names +
                                    ") VALUES (" + places + ")",
                                std::move(types));
  }
  return *plan;
}

// Through the executor, where the table has a trigger or the like that is not ours.
void WriteThroughExecutor(const table::Target& target, const std::vector<Rejected>& rows,
                          bool dead_letter, const Offer& offer) {
  pg::AsExtensionOwner as_owner;
  pg::Spi spi;
  const store::SavedPlan& plan = PlanFor(dead_letter);
  const auto insert = [&](const Cells& cells) {
    char nulls[kColumnCount];
    for (size_t i = 0; i < kColumnCount; ++i) {
      nulls[i] = cells.given[i] ? ' ' : 'n';
    }
    const int result = pg::Call([&] {
      return SPI_execute_plan(plan.get(), const_cast<Datum*>(cells.values), nulls, false, 0);
    });
    if (result < 0) {
      throw pg::Error(ERRCODE_INTERNAL_ERROR,
                      std::string("SPI: ") + SPI_result_code_string(result));
    }
  };
  ForEachChunk(target, rows, dead_letter, offer, insert, [] {});
}

}  // namespace

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
        !WriteDirectly(target, rows, dead_letter, offer)) {
      WriteThroughExecutor(target, rows, dead_letter, offer);
    }
  }
  return kept;
}

}  // namespace mend::queue
