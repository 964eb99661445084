#include "server/apply/amend.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "core/base/json_merge.h"
#include "core/base/json_writer.h"
#include "server/apply/evaluate_row.h"
#include "server/observe/events.h"
#include "server/pg/catalog.h"
#include "server/pg/deadline.h"
#include "server/pg/memory.h"
#include "server/pg/settings.h"
#include "server/pg/spi.h"
#include "server/queue/dead_letters.h"
#include "server/queue/enqueue.h"
#include "server/table/code.h"

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

// The dead letters of one table: those of others become `offer`'s.
class TableOfLetters {
 public:
  TableOfLetters(Oid target, bool enrolled, json::Value patch, bool dry_run,
                 std::optional<queue::Offer> offer)
      : target_oid_(target),
        enrolled_(enrolled),
        patch_(patch),
        dry_run_(dry_run),
        offer_(std::move(offer)) {}

  void Take(const std::vector<queue::DeadLetter>& letters) {
    std::vector<int64_t> ids;
    size_t bytes = 0;
    for (const queue::DeadLetter& letter : letters) {
      name_ = letter.target_name;
      if (offers_.size() < kIdsInEvent) {
        offers_.insert(letter.submitted_by);
      }
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
        queue::ChangePayload(change.id, change.payload, change.key, offer_);
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
      std::string settings;
      if (offer_ && changed) {
        settings = queue::ContextOf(row.context, offer_->session);
        row.submitter = offer_->submitter;
        row.submitted_by = offer_->submitted_by;
        row.session_submitter = offer_->session_submitter;
        row.session_submitted_by = offer_->session_submitted_by;
        row.code = offer_->code;
        row.context = settings;
      }
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
    detail.Close();
    if (offer_) {
      detail.Key("taken_from").Array();
      for (const std::string& role : offers_) {
        detail.String(role);
      }
      detail.Close();
    }
    observe::Record("amended", name_, std::nullopt, detail.Close().Take());
  }

  Oid target_oid_;
  bool enrolled_;
  json::Value patch_;
  bool dry_run_;
  std::optional<queue::Offer> offer_;
  std::set<std::string> offers_;  // whose they were
  std::string name_;
  std::vector<int64_t> changed_ids_;
  Amended amended_;
};

// What the caller changes of what others offered is his word, to the code that the table has now.
queue::Offer OfferOf(Oid caller, Oid target, bool enrolled) {
  queue::Offer offer;
  offer.submitter = caller;
  offer.submitted_by = pg::RoleName(caller);
  offer.session_submitter = pg::Call([] { return GetSessionUserId(); });
  offer.session_submitted_by = pg::RoleName(offer.session_submitter);
  offer.code = enrolled ? table::CodeOf(target) : "{}";
  offer.session = queue::SessionSettings(enrolled ? table::FindTarget(target)->enrollment()
                                                  : table::Enrollment());
  return offer;
}

}  // namespace

Amended Amend(Oid caller, const std::vector<int64_t>& ids, json::Value patch, bool dry_run) {
  std::map<std::tuple<Oid, bool, bool>, std::vector<queue::DeadLetter>> tables;
  size_t kept = 0, forbidden = 0;
  for (queue::DeadLetter& letter : queue::FindDeadLetters(caller, ids)) {
    if (!letter.may_release) {
      ++kept;
    } else if (!letter.is_his && letter.enrolled && !MayInsert(caller, letter.target)) {
      ++forbidden;
    } else {
      tables[{letter.target, letter.enrolled, letter.is_his}].push_back(std::move(letter));
    }
  }
  Amended all;
  for (const auto& [table, letters] : tables) {
    const auto& [target, enrolled, is_his] = table;
    TableOfLetters one(target, enrolled, patch, dry_run,
                       is_his ? std::nullopt : std::optional(OfferOf(caller, target, enrolled)));
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
  if (forbidden > 0) {
    pg::Call([&] {
      ereport(NOTICE,
              (errmsg("dead letters that stay, since you may not insert into their tables: %zu",
                      forbidden),
               errhint("What others offered is stored in your name once you have amended it, "
                       "unless you have their rights.")));
    });
  }
  return all;
}

}  // namespace mend::apply
