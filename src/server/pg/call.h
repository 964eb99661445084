// The border between C++ and PostgreSQL, both ways (doc/architecture.md, "Error model").
#pragma once

#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "server/pg/error.h"
#include "server/pg/interface.h"

namespace mend::pg {

namespace internal {

// Puts back the error handlers that a Call has replaced, however it is left.
class HandlerScope {
 public:
  HandlerScope() : stack_(PG_exception_stack), callbacks_(error_context_stack) {}
  ~HandlerScope() {
    PG_exception_stack = stack_;
    error_context_stack = callbacks_;
  }
  HandlerScope(const HandlerScope&) = delete;
  HandlerScope& operator=(const HandlerScope&) = delete;

 private:
  sigjmp_buf* stack_;
  ErrorContextCallback* callbacks_;
};

[[noreturn]] void ThrowTaken(MemoryContext context);

// What the catch clauses of Export found, ready for Raise(). Where no memory is left for that, it
// is nullptr, which Raise() takes for out-of-memory: nothing may be thrown out of a catch clause
// there.
ErrorFields* Describe(const Error& error) noexcept;
ErrorFields* Describe(const std::exception& error) noexcept;
ErrorFields* DescribeUnknown() noexcept;

// Begins when made; then exactly one of the other two is called.
class Subtransaction {
 public:
  Subtransaction();
  void Release();
  void RollBack();

 private:
  MemoryContext context_;
  ResourceOwner owner_;
};

}  // namespace internal

// Runs code that calls PostgreSQL. An error raised in it becomes an Error, thrown from here. The
// lambda must own nothing (no destructor may be jumped over), and the Error must propagate to an
// Attempt or an Export: after an error PostgreSQL is only good for rolling back.
template <class F>
auto Call(F&& function) -> decltype(function()) {
  MemoryContext context = CurrentMemoryContext;
  internal::HandlerScope scope;
  sigjmp_buf buffer;
  if (sigsetjmp(buffer, 0) != 0) {
    internal::ThrowTaken(context);
  }
  PG_exception_stack = &buffer;
  return function();
}

// Throws an Error when a cancel or a termination is pending.
inline void CheckInterrupts() {
  if (unlikely(INTERRUPTS_PENDING_CONDITION())) {
    Call([] { CHECK_FOR_INTERRUPTS(); });
  }
}

namespace internal {

template <class F>
std::optional<Error> RunInSubtransaction(F&& function, bool keep) {
  Subtransaction subtransaction;
  std::optional<Error> caught;
  try {
    function();
    if (keep) {
      subtransaction.Release();
      return std::nullopt;
    }
  } catch (const Error& error) {
    caught = error;
  } catch (...) {
    subtransaction.RollBack();
    throw;
  }
  subtransaction.RollBack();
  if (caught && caught->MustPropagate()) {
    throw *caught;
  }
  return caught;
}

}  // namespace internal

// Runs `function` (C++ code that uses Call) in a subtransaction. On an Error the subtransaction is
// rolled back and the Error returned: the caller may go on. Cancel, termination and out-of-memory
// are rolled back and thrown again, and so are C++ exceptions of other kinds.
template <class F>
std::optional<Error> Attempt(F&& function) {
  return internal::RunInSubtransaction(std::forward<F>(function), true);
}

// The same, but nothing of what `function` did in the database stays, also when it went well.
template <class F>
std::optional<Error> AttemptAndRollBack(F&& function) {
  return internal::RunInSubtransaction(std::forward<F>(function), false);
}

// The way in from PostgreSQL: runs C++ code; whatever it throws is raised as a PostgreSQL error,
// after the catch block has been left (an error raised inside would leak the exception).
template <class F>
auto Export(F&& function) -> decltype(function()) {
  ErrorFields* pending = nullptr;
  try {
    return function();
  } catch (const Error& error) {
    pending = internal::Describe(error);
  } catch (const std::bad_alloc&) {
    pending = nullptr;
  } catch (const std::exception& error) {
    pending = internal::Describe(error);
  } catch (...) {
    pending = internal::DescribeUnknown();
  }
  Raise(pending);
}

}  // namespace mend::pg

// The same for an entry that decides or changes something in the caller's name: not for code of a
// landing table (server/pg/user.h).
#define MEND_EXPORT_DECISION(symbol, body)        \
  MEND_EXPORT(symbol, [](FunctionCallInfo call) { \
    mend::pg::RefuseInForeignCode();              \
    return body(call);                            \
  })

// Defines what SQL calls `symbol`: runs `body(FunctionCallInfo) -> Datum`. The C symbol carries the
// number of the interface; the name without it is that of the first release.
#define MEND_EXPORT(symbol, body)                                                  \
  MEND_EXPORT_AS(MEND_WITH_INTERFACE(symbol, MEND_INTERFACE), return body(fcinfo)) \
  MEND_EXPORT_AS(symbol, mend::pg::RefuseOldObjects())

#define MEND_WITH_INTERFACE(symbol, number) MEND_WITH_NUMBER(symbol, number)
#define MEND_WITH_NUMBER(symbol, number) symbol##_v##number

#define MEND_EXPORT_AS(symbol, statement)                   \
  extern "C" {                                              \
  PGDLLEXPORT Datum symbol(PG_FUNCTION_ARGS);               \
  PG_FUNCTION_INFO_V1(symbol);                              \
  Datum symbol(PG_FUNCTION_ARGS) {                          \
    return mend::pg::Export([&]() -> Datum { statement; }); \
  }                                                         \
  }
