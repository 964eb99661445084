#include "server/ingest/batch.h"

#include <limits>
#include <utility>

#include "server/citus/managed_table.h"
#include "server/observe/freshness.h"
#include "server/pg/settings.h"
#include "server/queue/dead_letter.h"
#include "server/queue/order.h"
#include "server/store/store.h"

namespace mend::ingest {
namespace {

constexpr size_t kMaxBatchBytes = 8 * 1024 * 1024;

std::shared_ptr<const table::Target> Begin(Oid relid) {
  pg::Call([&] {
    PreventCommandIfReadOnly("INSERT");
    PreventCommandIfParallelMode("INSERT");
    // CREATE EXTENSION refuses the others since 0.2.
    if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII) {
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("pg_mend needs a database in encoding UTF8")));
    }
    LockRelationOid(relid, RowExclusiveLock);
    // Raises for a table that is not there.
    if (pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) != ACLCHECK_OK &&
        pg_attribute_aclcheck_all(relid, GetUserId(), ACL_INSERT, ACLMASK_ANY) != ACLCHECK_OK) {
      aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(get_rel_relkind(relid)),
                     get_rel_name(relid));
    }
  });
  citus::RequireCoordinator(relid);
  return table::FindTarget(relid);
}

// Triggers of the statement want all rows at once, and Citus opens a COPY to each shard for a set:
// there, only bytes end a batch.
size_t MaxRows(const table::Target& target) {
  return target.shape().has_statement_trigger || citus::Manages(target.shape().relid)
             ? std::numeric_limits<size_t>::max()
             : static_cast<size_t>(pg::batch_size);
}

}  // namespace

Batch::~Batch() {
  for (table::Row& row : rows_) {
    GiveBackRow(std::move(row));
  }
  BufferCacheOf(*target_).GiveBack(std::move(buffers_));
}

Batch::Batch(Oid relid, MemoryContext parent)
    : target_(Begin(relid)),
      memory_("pg_mend batch", parent),
      buffers_(BufferCacheOf(*target_).Lend(*target_)),
      rescues_(!target_->enrollment().rescue.empty() && queue::MayRescueFor(*target_)),
      max_rows_(MaxRows(*target_)) {
  keeps_order_ = buffers_->evaluator.KeepsOrder();
}

void Batch::AddText(std::string_view payload) {
  payload = WithoutMark(payload);
  if (const std::optional<json::Document::Failure> failure = buffers_->document.Parse(payload)) {
    AddMalformed(payload, *failure);
  } else {
    Add(buffers_->document, payload);
  }
}

void Batch::Add(const json::Document& document, std::string_view payload) {
  Item item;
  item.payload = payload;
  item.payload_bytes = payload.size();
  Take(document.root(), std::move(item));
}

void Batch::AddJsonb(const convert::JsonbPart& payload) {
  Item item;
  item.part = payload;
  item.payload_bytes = payload.size;
  Take(payload, std::move(item));
}

void Batch::AddMalformed(std::string_view payload, const json::Document::Failure& failure) {
  Item item;
  item.payload = payload;
  item.payload_bytes = payload.size();
  drift::Misfit& misfit = item.misfits.emplace_back();
  misfit.sqlstate = "22P02";
  misfit.cause = drift::Cause::NotJson;
  misfit.message = "invalid input syntax for type json: " + failure.message + ", at byte " +
                   std::to_string(failure.offset + 1);
  Push(std::move(item));
}

template <class Given>
void Batch::Take(const Given& payload, Item item) {
  pg::CheckInterrupts();
  table::Row row = TakeSpareRow();
  {
    pg::Switch here(memory_.get());
    buffers_->evaluator.Rescue(rescues_);
    buffers_->evaluator.Evaluate(payload, &row, &item.misfits);
    if (keeps_order_) {
      item.key = buffers_->evaluator.Key();
    }
  }
  item.has_row = item.misfits.empty();
  if (item.has_row && !buffers_->evaluator.rescued().empty()) {
    TakeRescued(&row);
  }
  if (item.has_row) {
    rows_.push_back(std::move(row));
  } else {
    GiveBackRow(std::move(row));
  }
  Push(std::move(item));
}

void Batch::TakeRescued(table::Row* row) {
  for (const RescuedField& field : buffers_->evaluator.rescued()) {
    const std::string_view column =
        field.column < 0 ? std::string_view()
                         : target_->shape().columns[static_cast<size_t>(field.column)].name;
    row->rescued.push_back(
        rescued_.Add(*target_, {field.field, column, field.kind, field.cause, field.value}));
  }
}

std::vector<drift::Misfit> Batch::MisfitsOf(const Item& item) {
  pg::Switch here(memory_.get());
  std::vector<drift::Misfit> misfits;
  table::Row row;
  buffers_->evaluator.Rescue(false);
  if (item.part) {
    buffers_->evaluator.Evaluate(*item.part, &row, &misfits);
  } else if (!buffers_->document.Parse(item.payload)) {
    buffers_->evaluator.Evaluate(buffers_->document.root(), &row, &misfits);
  }
  return misfits;
}

void Batch::Push(Item item) {
  bytes_ += item.payload_bytes;
  items_.push_back(std::move(item));
  if (items_.size() >= max_rows_ || bytes_ >= kMaxBatchBytes) {
    Flush();
  }
}

void Batch::Flush() {
  if (items_.empty()) {
    return;
  }
  Store();
  observe::NoteRead(target_->shape().relid, std::exchange(read_rows_, 0));
  MarkOvertaken();
  EnqueueRejected();
  for (table::Row& row : rows_) {
    GiveBackRow(std::move(row));
  }
  rows_.clear();
  items_.clear();
  bytes_ = 0;
  buffers_->evaluator.ForgetMemory();
  memory_.Reset();
}

void Batch::Note(Item* item, const table::Row& row, std::optional<drift::Misfit> misfit) {
  if (!misfit) {
    ++counts_.inserted;
    counts_.rescued += row.rescued.empty() ? 0 : 1;
    read_rows_ += row.read ? 1 : 0;
    rescued_.CountStored(row);
    return;
  }
  // A constraint may have looked at what was rescued: the row is as any other with its misfits.
  if (!row.rescued.empty()) {
    item->misfits = MisfitsOf(*item);
  }
  if (item->misfits.empty()) {
    item->misfits.push_back(std::move(*misfit));
  }
  if (item->key && !queue::IsDeadLetter(item->misfits)) {
    waiting_.insert(*item->key);
  }
}

// A payload whose key has an older one that waits is put behind it. What the table makes of one
// payload for a key must be known before the next is offered: no run has two of them.
void Batch::StoreInOrder() {
  const bool any_wait = queue::AnyWaits(target_->shape().relid, std::nullopt);
  std::vector<table::Row> rows;
  std::vector<Item*> run;
  std::unordered_set<int64_t> in_run;
  const auto store = [&] {
    std::vector<std::optional<drift::Misfit>> results = store::Store(*target_, &rows, false);
    for (size_t i = 0; i < run.size(); ++i) {
      Note(run[i], rows[i], std::move(results[i]));
      GiveBackRow(std::move(rows[i]));
    }
    rows.clear();
    run.clear();
    in_run.clear();
  };
  size_t next = 0;
  for (Item& item : items_) {
    table::Row* row = item.has_row ? &rows_[next++] : nullptr;
    if (item.key && in_run.count(*item.key) > 0) {
      store();
    }
    if (row == nullptr) {
      if (item.key && !queue::IsDeadLetter(item.misfits)) {
        waiting_.insert(*item.key);
      }
      continue;
    }
    if (item.key && (waiting_.count(*item.key) > 0 ||
                     (any_wait && queue::AnyWaits(target_->shape().relid, item.key)))) {
      Note(&item, table::Row(), queue::MisfitBehind());
      continue;
    }
    if (item.key) {
      in_run.insert(*item.key);
    }
    rows.push_back(std::move(*row));
    run.push_back(&item);
  }
  store();
  rows_.clear();
}

void Batch::Store() {
  if (keeps_order_) {
    StoreInOrder();
    counts_.has_news = rescued_.LeaveTo(target_) || counts_.has_news;
    return;
  }
  std::vector<std::optional<drift::Misfit>> results = store::Store(*target_, &rows_, false);
  size_t next = 0;
  for (Item& item : items_) {
    if (!item.has_row) {
      continue;
    }
    const table::Row& row = rows_[next];
    Note(&item, row, std::move(results[next++]));
  }
  counts_.has_news = rescued_.LeaveTo(target_) || counts_.has_news;
}

// What is stored is newer than the dead letters of its row, those of this batch before it included.
void Batch::MarkOvertaken() {
  if (!keeps_order_ || target_->enrollment().newer_by) {
    return;
  }
  std::unordered_set<int64_t> stored;
  for (auto item = items_.rbegin(); item != items_.rend(); ++item) {
    if (item->key && item->misfits.empty()) {
      stored.insert(*item->key);
    } else if (item->key) {
      item->overtaken = stored.count(*item->key) > 0;
    }
  }
  if (!stored.empty() && queue::AnyDead(target_->shape().relid)) {
    queue::MarkOvertaken(target_->shape().relid, {stored.begin(), stored.end()});
  }
}

void Batch::EnqueueRejected() {
  std::vector<queue::Rejected> rejected;
  for (Item& item : items_) {
    if (item.misfits.empty()) {
      continue;
    }
    if (item.part) {
      pg::Switch here(memory_.get());
      item.payload = convert::TextOf(*item.part);
    }
    rejected.push_back({item.payload, std::move(item.misfits), item.key, item.overtaken});
  }
  const queue::EnqueueCounts kept = queue::Enqueue(*target_, rejected);
  counts_.queued += kept.queued;
  counts_.dead_lettered += kept.dead_lettered;
}

}  // namespace mend::ingest
