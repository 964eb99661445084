// Memory contexts by scope.
#pragma once

#include "server/pg/call.h"

namespace mend::pg {

// Makes `context` current until the end of the scope.
class Switch {
 public:
  explicit Switch(MemoryContext context) : previous_(MemoryContextSwitchTo(context)) {}
  ~Switch() { MemoryContextSwitchTo(previous_); }
  Switch(const Switch&) = delete;
  Switch& operator=(const Switch&) = delete;

 private:
  MemoryContext previous_;
};

// A memory context that lives as long as this object.
class Context {
 public:
  explicit Context(const char* literal_name, MemoryContext parent = CurrentMemoryContext) {
    Call([&] {
      context_ = AllocSetContextCreateInternal(parent, literal_name, ALLOCSET_DEFAULT_SIZES);
    });
  }
  ~Context() {
    if (CurrentMemoryContext == context_) {
      MemoryContextSwitchTo(MemoryContextGetParent(context_));
    }
    MemoryContextDelete(context_);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  void Reset() { MemoryContextReset(context_); }
  MemoryContext get() const { return context_; }

 private:
  MemoryContext context_ = nullptr;
};

}  // namespace mend::pg
