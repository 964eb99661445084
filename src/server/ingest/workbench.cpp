#include "server/ingest/workbench.h"

namespace mend::ingest {
namespace {

constexpr size_t kMaxKeptBytes = 256 * 1024;

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

}  // namespace mend::ingest
