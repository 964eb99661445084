// Long work of the core lets its host have a word: a server answers to a cancel by an exception.
#pragma once

#include <cstddef>

namespace mend::base {

// What is called within long loops, each about every millisecond; whatever it throws calls the work
// off. One for the process, set before the first thread; none until then.
void SetHost(void (*word)());

// Of one loop, or of several that follow one another.
class LongWork {
 public:
  // After `steps` of a few nanoseconds each.
  void Took(size_t steps = 1) {
    if (steps < left_) {
      left_ -= steps;
    } else {
      AskHost();
    }
  }

 private:
  static constexpr size_t kStepsBetween = 100000;
  void AskHost();

  size_t left_ = kStepsBetween;
};

}  // namespace mend::base
