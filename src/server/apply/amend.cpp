#include "server/apply/amend.h"

#include <algorithm>
#include <map>

#include "core/base/json_merge.h"
#include "core/base/json_writer.h"
#include "server/apply/evaluate_row.h"
#include "server/observe/events.h"
#include "server/pg/deadline.h"
#include "server/pg/memory.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/queue/dead_letters.h"

namespace mend::apply {
namespace {

constexpr size_t kRowsAtOnce = 200;
constexpr size_t kBytesAtOnce = 16 * 1024 * 1024;
constexpr size_t kIdsInEvent = 1000;

struct Change {
  int64_t id;
  std::string payload;
  std::optional<int64_t> key;
};

// The dead letters of one table.
class TableOfLetters {
 public:
  TableOfLetters(Oid target, bool enrolled, json::Value patch, bool dry_run)
      : target_oid_(target), enrolled_(enrolled), patch_(patch), dry_run_(dry_run) {}

  void Take(const std::vector<queue::DeadLetter>& letters) {
    std::vector<int64_t> ids;
    size_t bytes = 0;
    for (const queue::DeadLetter& letter : letters) {
      name_ = letter.target_name;
      ids.push_back(letter.id);
      bytes += letter.bytes;
      if (ids.size() == kRowsAtOnce || bytes >= kBytesAtOnce) {
        TakeSome(ids);
        ids.clear();
        bytes = 0;
      }
    }
    TakeSome(ids);
    if (amended_.changed > 0 && !dry_run_) {
      Record();
    }
  }
  const Amended& amended() const { return amended_; }

 private:
  void TakeSome(const std::vector<int64_t>& ids) {
    if (ids.empty()) {
      return;
    }
    pg::Context memory("pg_mend amended payloads");
    pg::Switch into(memory.get());
    std::vector<Change> changes = Judge(queue::ReadDeadLetters(ids, !dry_run_));
    amended_.changed += static_cast<int64_t>(changes.size());
    for (const Change& change : changes) {
      pg::CheckInterrupts();
      if (changed_ids_.size() < kIdsInEvent) {
        changed_ids_.push_back(change.id);
      }
      if (!dry_run_) {
        queue::ChangePayload(change.id, change.payload, change.key);
      }
    }
  }

  std::vector<Change> Judge(std::vector<queue::QueuedRow> rows) {
    const pg::Deadline deadline(pg::batch_timeout_ms);  // domains bring user code
    std::shared_ptr<const table::Target> target;
    RowContext context;
    std::optional<RowEvaluator> evaluator;
    if (enrolled_) {
      target = table::FindTarget(target_oid_);
      evaluator.emplace(*target, &context);
      evaluator->WantRows();
    }
    std::vector<Change> changes;
    json::Document document;
    for (queue::QueuedRow& row : rows) {
      pg::CheckInterrupts();
      if (document.Parse(row.payload)) {
        continue;
      }
      std::string merged = json::MergePatch(document.root(), patch_);
      const bool changed = merged != row.payload;
      row.payload = merged;
      std::optional<int64_t> key = row.key;
      if (evaluator) {
        row.kind = drift::Kind::Malformed;  // what storing it has shown was of another payload
        amended_.fits += evaluator->Evaluate(row).empty() ? 1 : 0;
        key = evaluator->key();
      }
      if (changed) {
        changes.push_back({row.id, std::move(merged), key});
      }
    }
    if (evaluator) {
      evaluator->ForgetMemory();
    }
    return changes;
  }

  void Record() const {
    json::Writer detail;
    detail.Object().Number("rows", amended_.changed).Raw("merge_patch", patch_.Serialise());
    detail.Key("ids").Array();
    for (int64_t id : changed_ids_) {
      detail.Number(id);
    }
    observe::Record("amended", name_, std::nullopt, detail.Close().Close().Take());
  }

  Oid target_oid_;
  bool enrolled_;
  json::Value patch_;
  bool dry_run_;
  std::string name_;
  std::vector<int64_t> changed_ids_;
  Amended amended_;
};

}  // namespace

Amended Amend(Oid caller, const std::vector<int64_t>& ids, json::Value patch, bool dry_run) {
  std::map<std::pair<Oid, bool>, std::vector<queue::DeadLetter>> tables;
  size_t kept = 0;
  for (queue::DeadLetter& letter : queue::FindDeadLetters(caller, ids)) {
    if (letter.may_release) {
      tables[{letter.target, letter.enrolled}].push_back(std::move(letter));
    } else {
      ++kept;
    }
  }
  Amended all;
  for (const auto& [table, letters] : tables) {
    TableOfLetters one(table.first, table.second, patch, dry_run);
    one.Take(letters);
    all.changed += one.amended().changed;
    all.fits += one.amended().fits;
  }
  if (kept > 0) {
    pg::Call([&] {
      ereport(NOTICE,
              (errmsg("dead letters that stay, since their tables run other code than they were "
                      "offered for: %zu",
                      kept),
               errhint("Whoever offered them may amend them, or a superuser: see their reasons in "
                       "mend.dead_letters.")));
    });
  }
  return all;
}

}  // namespace mend::apply
