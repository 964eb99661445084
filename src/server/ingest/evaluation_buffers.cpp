#include "server/ingest/evaluation_buffers.h"

namespace mend::ingest {
namespace {

constexpr size_t kMaxKeptBytes = 256 * 1024;
constexpr size_t kMaxSpareRows = 1000;
constexpr size_t kMaxSpareColumns = 64;

std::vector<table::Row>& SpareRows() {
  static std::vector<table::Row>& rows = *new std::vector<table::Row>();
  return rows;
}

}  // namespace

std::unique_ptr<EvaluationBuffers> BufferCache::Lend(const table::Target& target) {
  return spare_ ? std::move(spare_) : std::make_unique<EvaluationBuffers>(target);
}

void BufferCache::GiveBack(std::unique_ptr<EvaluationBuffers> buffers) {
  buffers->evaluator.ForgetMemory();
  if (buffers->document.capacity() + buffers->evaluator.capacity() <= kMaxKeptBytes) {
    spare_ = std::move(buffers);
  }
}

table::Row TakeSpareRow() {
  std::vector<table::Row>& spare = SpareRows();
  if (spare.empty()) {
    return {};
  }
  table::Row row = std::move(spare.back());
  spare.pop_back();
  return row;
}

void GiveBackRow(table::Row row) {
  if (SpareRows().size() < kMaxSpareRows && row.columns.capacity() <= kMaxSpareColumns) {
    SpareRows().push_back(std::move(row));
  }
}

}  // namespace mend::ingest
