#include "server/ingest/workbench.h"

namespace mend::ingest {
namespace {

constexpr size_t kMaxKeptBytes = 256 * 1024;
constexpr size_t kMaxSpareRows = 1000;
constexpr size_t kMaxSpareColumns = 64;

std::vector<Row>& SpareRows() {
  static std::vector<Row>& rows = *new std::vector<Row>();
  return rows;
}

}  // namespace

std::unique_ptr<Workbench> Workshop::Lend(const Target& target) {
  return spare_ ? std::move(spare_) : std::make_unique<Workbench>(target);
}

void Workshop::GiveBack(std::unique_ptr<Workbench> bench) {
  bench->evaluator.ForgetMemory();
  if (bench->document.capacity() + bench->evaluator.capacity() <= kMaxKeptBytes) {
    spare_ = std::move(bench);
  }
}

Row TakeSpareRow() {
  std::vector<Row>& spare = SpareRows();
  if (spare.empty()) {
    return {};
  }
  Row row = std::move(spare.back());
  spare.pop_back();
  return row;
}

void GiveBackRow(Row row) {
  if (SpareRows().size() < kMaxSpareRows && row.columns.capacity() <= kMaxSpareColumns) {
    SpareRows().push_back(std::move(row));
  }
}

}  // namespace mend::ingest
