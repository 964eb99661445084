// What reading and evaluating payloads takes, kept from call to call with what it has learnt of a
// table's payloads.
#pragma once

#include <memory>
#include <vector>

#include "core/base/json.h"
#include "server/ingest/evaluate.h"

namespace mend::ingest {

// Of one target. One call has it at a time; a call that comes while it is lent gets one of its own.
struct EvaluationBuffers {
  explicit EvaluationBuffers(const table::Target& target) : evaluator(target) {}

  json::Document document;
  Evaluator evaluator;
};

class BufferCache : public table::Attachment {
 public:
  std::unique_ptr<EvaluationBuffers> Lend(const table::Target& target);
  // Forgets what was in the memory of the call. What has grown beyond an ordinary payload is not
  // kept.
  void GiveBack(std::unique_ptr<EvaluationBuffers> buffers);

 private:
  std::unique_ptr<EvaluationBuffers> spare_;
};

inline BufferCache& BufferCacheOf(const table::Target& target) {
  return target.Attached<BufferCache>(table::AttachmentSlot::Buffers);
}

// Rows whose vectors can be used again, by the next batch or the next call.
table::Row TakeSpareRow();
void GiveBackRow(table::Row row);

}  // namespace mend::ingest
