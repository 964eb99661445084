// Rows on their way to the table, stored and kept a batch at a time.
#pragma once

#include <deque>
#include <unordered_set>
#include <vector>

#include "core/base/json.h"
#include "server/ingest/evaluation_buffers.h"
#include "server/ingest/offer.h"
#include "server/pg/memory.h"
#include "server/queue/enqueue.h"
#include "server/queue/rescues.h"

namespace mend::ingest {

// Without the byte order mark that it may begin with, which is no part of a text (RFC 8259, section
// 8.1).
inline std::string_view WithoutMark(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  return text.substr(0, kByteOrderMark.size()) == kByteOrderMark
             ? text.substr(kByteOrderMark.size())
             : text;
}

class Batch {
 public:
  // Checks the caller's rights and the state of the session as INSERT does, locks the table as
  // INSERT does, and finds its terms.
  explicit Batch(Oid relid, MemoryContext parent = CurrentMemoryContext);
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Parses and takes one payload, which must stay valid until Flush().
  void AddText(std::string_view payload);
  // Takes a payload that is parsed already; the document may be reused at once.
  void Add(const json::Document& document, std::string_view payload);
  // A payload in jsonb's form, which must stay valid until Flush().
  void AddJsonb(const convert::JsonbPart& payload);
  void AddMalformed(std::string_view payload, const json::Document::Failure& failure);

  // Stores and keeps what was taken, in order. Done by itself whenever a batch is full.
  void Flush();
  const Counts& counts() const { return counts_; }
  // Payloads that are taken and not flushed yet.
  size_t pending() const { return items_.size(); }

 private:
  struct Item {
    std::string_view payload;
    std::optional<convert::JsonbPart> part;  // when there is no payload text yet
    size_t payload_bytes = 0;
    bool has_row = false;
    std::optional<int64_t> key;  // where the order of payloads for a row is kept
    bool overtaken = false;      // a dead letter, and a later payload for its row is stored
    std::vector<drift::Misfit> misfits;
  };

  template <class Given>
  void Take(const Given& payload, Item item);
  void Push(Item item);
  void Store();
  void StoreInOrder();
  void Note(Item* item, const table::Row& row, std::optional<drift::Misfit> misfit);
  void TakeRescued(table::Row* row);
  // Why a row was not stored after all whose misfits were rescued: those misfits.
  std::vector<drift::Misfit> MisfitsOf(const Item& item);
  void MarkOvertaken();
  void EnqueueRejected();

  std::shared_ptr<const table::Target> target_;
  Counts counts_;
  int64_t read_rows_ = 0;  // stored since the last Flush(), with a value that a reading has made
  pg::Context memory_;
  std::unique_ptr<EvaluationBuffers> buffers_;
  std::vector<Item> items_;
  std::vector<table::Row> rows_;  // of the items that have one, in order
  queue::RescueTally rescued_;
  bool rescues_;
  size_t bytes_ = 0;
  bool keeps_order_ = false;             // of payloads for one row
  std::unordered_set<int64_t> waiting_;  // keys of payloads that were not stored
  size_t max_rows_;
};

}  // namespace mend::ingest
