#include "server/queue/rescues.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/base/json_writer.h"
#include "server/pg/memory.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"
#include "server/queue/own_table.h"

namespace mend::queue {
namespace {

// A field with so many rows on record is known: a session then tells of its further rows from time
// to time.
constexpr int64_t kWellKnownRows = 1000;
constexpr int64_t kBetweenReportsUs = 1000 * 1000;
constexpr size_t kMaxSampleBytes = 8 * 1024;
constexpr size_t kMaxSamples = 6;
constexpr size_t kMaxFields = 200, kMaxReported = 5000, kMaxEntries = 1000;
constexpr uint64_t kProfiledOf = 8;

// What this session has told of a drift since it last read the target.
struct Reported {
  int64_t rows = 0;
  TimestampTz at = 0;
  // Committed rows that it has not told of.
  int64_t pending_rows = 0;
  drift::Profile pending;
};

struct ReportedDrifts : table::Attachment {
  std::map<drift::Class, std::shared_ptr<Reported>> by_field;
};

// Of the current transaction.
struct Entry {
  SubTransactionId subtransaction;
  Oid target;
  std::string target_name;
  std::shared_ptr<Reported> reported;
  RescuedDrift drift;
  bool later;  // to be told of later
};

std::vector<Entry>& Entries() {
  static auto& entries = *new std::vector<Entry>();
  return entries;
}

// The rows go to the executor only where the table has a trigger or the like that is not ours.
void Insert(const Entry& entry) {
  pg::RunPrepared(
      "INSERT INTO mend.rescues (target, target_name, field, column_name, kind, row_count, "
      "profile, samples, cause) VALUES ($1, $2, $3, nullif($4, '')::name, $5, $6, $7::jsonb, $8, "
      "$9)",
      {pg::ObjectId(entry.target), pg::Text(entry.target_name), pg::Text(entry.drift.field),
       pg::Text(entry.drift.column), pg::Text(drift::Name(entry.drift.kind)),
       pg::Int8(entry.drift.rows), pg::Text(entry.drift.profile.ToJson()),
       pg::TextArray(entry.drift.samples), pg::Text(drift::Code(entry.drift.cause))});
}

Datum JsonbDatum(const std::string& text) {
  return pg::Call([&] { return DirectFunctionCall1(jsonb_in, CStringGetDatum(text.c_str())); });
}

void WriteDirectly(OwnTable* book, Relation relation) {
  std::vector<table::Row> rows;
  for (const Entry& entry : Entries()) {
    if (entry.later) {
      continue;
    }
    std::vector<std::pair<int, Datum>> cells;
    const auto put = [&](const char* column, Datum value) {
      cells.emplace_back(book->ColumnAt(column), value);
    };
    put("target", ObjectIdGetDatum(entry.target));
    put("target_name", pg::Text(entry.target_name).value);
    put("field", pg::Text(entry.drift.field).value);
    if (!entry.drift.column.empty()) {
      put("column_name", pg::Name(entry.drift.column).value);
    }
    put("kind", pg::Text(drift::Name(entry.drift.kind)).value);
    put("row_count", Int64GetDatum(entry.drift.rows));
    put("profile", JsonbDatum(entry.drift.profile.ToJson()));
    put("samples", pg::TextArray(entry.drift.samples).value);
    put("cause", pg::Text(drift::Code(entry.drift.cause)).value);
    std::sort(cells.begin(), cells.end());
    table::Row& row = rows.emplace_back();
    for (const auto& [column, value] : cells) {
      row.columns.push_back(column);
      row.values.push_back(value);
      row.nulls.push_back(0);
    }
  }
  if (!rows.empty()) {
    book->Write(relation, &rows);
  }
}

// Whoever makes up names is told of in a few words, once there is much that no worker has read: one
// field a table and transaction. What the rows have besides is found when values are moved.
constexpr int64_t kMuchUnread = 64 * 1024 * 1024;

int64_t BytesOf(Oid relid) {
  Relation relation = OidIsValid(relid) ? try_relation_open(relid, AccessShareLock) : nullptr;
  if (relation == nullptr) {
    return 0;
  }
  const int64_t bytes = int64_t{BLCKSZ} * RelationGetNumberOfBlocks(relation);
  const Oid toast = relation->rd_rel->reltoastrelid;
  relation_close(relation, NoLock);
  return bytes + (OidIsValid(toast) ? BytesOf(toast) : 0);
}

void TellLess() {
  const int64_t size = pg::Call(
      [] { return BytesOf(get_relname_relid("rescues", get_namespace_oid("mend", true))); });
  std::set<Oid> told;
  for (Entry& entry : Entries()) {
    entry.later = entry.later || (size > kMuchUnread && !told.insert(entry.target).second);
  }
}

void Write() {
  TellLess();
  const bool any = std::any_of(Entries().begin(), Entries().end(),
                               [](const Entry& entry) { return !entry.later; });
  if (!any) {
    return;
  }
  pg::Context memory("pg_mend rescued values");
  pg::Switch here(memory.get());
  pg::Call([] { PushActiveSnapshot(GetTransactionSnapshot()); });
  OwnTable& book = OwnTable::Of(OwnTable::kRescues);
  if (!book.With([&](Relation relation) { WriteDirectly(&book, relation); })) {
    for (const Entry& entry : Entries()) {
      if (!entry.later) {
        Insert(entry);
      }
    }
  }
  pg::Call([] { PopActiveSnapshot(); });
}

// Inside COMMIT: nothing here fails.
void NoteCommitted() {
  const TimestampTz now = GetCurrentTransactionStopTimestamp();
  for (Entry& entry : Entries()) {
    if (entry.later) {
      entry.reported->pending_rows += entry.drift.rows;
      entry.reported->pending.Merge(entry.drift.profile);
    } else {
      entry.reported->rows += entry.drift.rows;
      entry.reported->at = now;
      entry.reported->pending_rows = 0;
      entry.reported->pending = drift::Profile();
    }
  }
}

void AtTransactionEnd(XactEvent event, void*) {
  if (Entries().empty()) {
    return;
  }
  switch (event) {
    case XACT_EVENT_PRE_COMMIT:
    case XACT_EVENT_PRE_PREPARE: pg::Export([] { Write(); }); break;
    case XACT_EVENT_COMMIT:
      NoteCommitted();
      Entries().clear();
      break;
    case XACT_EVENT_PREPARE:
    case XACT_EVENT_ABORT: Entries().clear(); break;
    default: break;
  }
}

void AtSubtransactionEnd(SubXactEvent event, SubTransactionId mine, SubTransactionId parent,
                         void*) {
  std::vector<Entry>& entries = Entries();
  if (event == SUBXACT_EVENT_COMMIT_SUB) {
    // As many entries as there are drifts, however many subtransactions there were. Nothing here
    // may fail.
    for (size_t i = 0; i < entries.size();) {
      if (entries[i].subtransaction != mine) {
        ++i;
        continue;
      }
      entries[i].subtransaction = parent;
      const auto twin = std::find_if(entries.begin(), entries.end(), [&](const Entry& other) {
        return &other != &entries[i] && other.subtransaction == parent &&
               other.later == entries[i].later && other.reported == entries[i].reported;
      });
      if (twin == entries.end()) {
        ++i;
        continue;
      }
      twin->drift.Add(entries[i].drift.rows, entries[i].drift.profile);
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i));
    }
  } else if (event == SUBXACT_EVENT_ABORT_SUB) {
    entries.erase(std::remove_if(entries.begin(), entries.end(),
                                 [&](const Entry& entry) { return entry.subtransaction >= mine; }),
                  entries.end());
  }
}

void ListenOnce() {
  static bool listening = false;
  if (!listening) {
    pg::Call([] {
      RegisterXactCallback(AtTransactionEnd, nullptr);
      RegisterSubXactCallback(AtSubtransactionEnd, nullptr);
    });
    listening = true;
  }
}

// Whether the entry is of this drift, and of the innermost subtransaction.
bool IsOf(const Entry& entry, Oid target, const RescuedDrift& drift) {
  return entry.target == target && entry.subtransaction == GetCurrentSubTransactionId() &&
         entry.drift.kind == drift.kind && entry.drift.cause == drift.cause &&
         entry.drift.field == drift.field;
}

const Reported* FindReported(const table::Target& target, const RescuedDrift& drift) {
  const auto& known = target.Attached<ReportedDrifts>(table::AttachmentSlot::Rescues).by_field;
  const auto found = known.find({drift.field, drift.kind, drift.cause});
  return found == known.end() ? nullptr : found->second.get();
}

// True when it is told of at commit.
bool Leave(const std::shared_ptr<const table::Target>& target, RescuedDrift* drift) {
  const Oid relid = target->shape().relid;
  for (;;) {
    for (Entry& entry : Entries()) {
      if (IsOf(entry, relid, *drift)) {
        entry.drift.Add(drift->rows, drift->profile);
        return !entry.later;
      }
    }
    if (Entries().size() < kMaxEntries || drift->field.empty()) {
      break;
    }
    *drift =
        RescuedDrift{{}, {}, drift::Kind::NewField, drift::Cause::NewField, drift->rows, {}, {}};
  }
  auto& known = target->Attached<ReportedDrifts>(table::AttachmentSlot::Rescues).by_field;
  const drift::Class values(drift->field, drift->kind, drift->cause);
  if (known.size() >= kMaxReported && known.count(values) == 0) {
    // A sender makes up names: what was told of the first of them is forgotten.
    known.clear();
  }
  std::shared_ptr<Reported>& reported = known[values];
  if (!reported) {
    reported = std::make_shared<Reported>();
  }
  const bool later =
      reported->rows >= kWellKnownRows && GetCurrentTimestamp() - reported->at < kBetweenReportsUs;
  Entry& entry = Entries().emplace_back();
  entry.subtransaction = GetCurrentSubTransactionId();
  entry.target = relid;
  entry.target_name = target->enrollment().target_name;
  entry.reported = reported;
  entry.later = later;
  entry.drift = std::move(*drift);
  if (!later) {
    entry.drift.Add(reported->pending_rows, reported->pending);
  }
  return !later;
}

json::Kind TypeOf(json::Value value) {
  return value.kind() == json::Kind::False ? json::Kind::True : value.kind();
}

void AddSample(RescuedDrift* drift, json::Value value) {
  const drift::Profile& seen = drift->profile;
  const json::Kind type = TypeOf(value);
  const bool is_new = type == json::Kind::Object   ? seen.objects() == 0
                      : type == json::Kind::Array  ? seen.arrays() == 0
                      : type == json::Kind::Number ? seen.numbers() == 0
                      : type == json::Kind::String ? seen.strings() == 0
                                                   : seen.booleans() == 0;
  if (!is_new && drift->samples.size() >= 2) {
    return;
  }
  if (drift->samples.size() >= kMaxSamples ||
      value.token().end - value.token().begin > kMaxSampleBytes) {
    return;
  }
  drift->samples.push_back(
      json::Writer().Object().Raw(drift->field, value.Serialise()).Close().Take());
}

}  // namespace

void RescuedDrift::Add(int64_t more_rows, const drift::Profile& more) {
  rows += more_rows;
  profile.Merge(more);
}

int RescueTally::Add(const table::Target& target, const RescuedValue& rescued) {
  std::string_view field = rescued.field, column = rescued.column;
  const json::Value value = rescued.value;
  size_t at = 0;
  while (at < drifts_.size() &&
         (drifts_[at].drift.kind != rescued.kind || drifts_[at].drift.cause != rescued.cause ||
          drifts_[at].drift.field != field)) {
    ++at;
  }
  if (at >= kMaxFields) {
    // More fields than are told of: one entry without a name stands for the others.
    at = kMaxFields;
    field = column = {};
  }
  if (at == drifts_.size()) {
    Tallied& tallied = drifts_.emplace_back();
    tallied.drift.field = field;
    tallied.drift.column = column;
    tallied.drift.kind = rescued.kind;
    tallied.drift.cause = rescued.cause;
    const Reported* reported = FindReported(target, tallied.drift);
    tallied.well_known = reported != nullptr && reported->rows >= kWellKnownRows;
  }
  Tallied& tallied = drifts_[at];
  const json::Kind type = TypeOf(value);
  if (!tallied.well_known || tallied.values++ % kProfiledOf == 0 || type != tallied.last) {
    if (!tallied.well_known) {
      AddSample(&tallied.drift, value);
    }
    tallied.drift.profile.Add(value);
    tallied.last = type;
  }
  return static_cast<int>(at);
}

void RescueTally::CountStored(const table::Row& row) {
  for (int at : row.rescued) {
    ++drifts_[static_cast<size_t>(at)].drift.rows;
  }
}

bool RescueTally::LeaveTo(const std::shared_ptr<const table::Target>& target) {
  bool now = false;
  for (Tallied& tallied : drifts_) {
    if (tallied.drift.rows > 0) {
      ListenOnce();
      now = Leave(target, &tallied.drift) || now;
    }
  }
  drifts_.clear();
  return now;
}

bool MayRescueFor(const table::Target& target) {
  if (target.rescue_column() < 0) {
    return !target.enrollment().rescue.empty();  // so that the rows say why they are not rescued
  }
  const bool updates = target.enrollment().on_conflict == table::OnConflict::Update;
  return pg::Call([&] {
    // By column is not enough: the values go to other columns later, some of which may be new.
    const auto may = [&](AclMode mode) {
      return pg_class_aclcheck(target.shape().relid, GetUserId(), mode) == ACLCHECK_OK;
    };
    return may(ACL_INSERT) && (!updates || (may(ACL_UPDATE) && may(ACL_SELECT)));
  });
}

}  // namespace mend::queue
