#include "core/base/long_work.h"

namespace mend::base {
namespace {

void (*host_word)() = nullptr;

}  // namespace

void SetHost(void (*word)()) { host_word = word; }

void LongWork::AskHost() {
  left_ = kStepsBetween;
  if (host_word != nullptr) host_word();
}

}  // namespace mend::base
