// Functions that fail on purpose, to test the border between C++ and PostgreSQL.
#include <sys/resource.h>

#include <fstream>
#include <new>
#include <stdexcept>
#include <string>

#include "server/pg/call.h"

extern "C" {
PG_MODULE_MAGIC;
}

namespace {

using namespace mend;

int living = 0;

// Counts how many of its kind are alive: an error that jumped over a destructor leaves one behind.
struct Living {
  Living() { ++living; }
  ~Living() { --living; }
};

constexpr size_t kHuge = 64 * 1024 * 1024;
constexpr size_t kSlack = 8 * 1024 * 1024;
char* huge = nullptr;  // a text that fits into memory once, and not twice

void LimitMemory(rlim_t bytes) {
  rlimit limit;
  getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = bytes;
  setrlimit(RLIMIT_AS, &limit);
}

// No more memory than is in use, but for what errors of common size take.
void ExhaustMemory() {
#ifndef __SANITIZE_ADDRESS__  // whose allocator ends the process instead
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  LimitMemory(pages * 4096 + kSlack);
#endif
}

struct HugeException : std::exception {
  const char* what() const noexcept override { return huge; }
};

// reserve, unlimited, release.
Datum Memory(FunctionCallInfo fcinfo) {
  std::string what(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  LimitMemory(RLIM_INFINITY);
  if (what == "reserve") {
    huge = static_cast<char*>(malloc(kHuge));
    memset(huge, 'x', kHuge - 1);
    huge[kHuge - 1] = 0;
  } else if (what == "release") {
    free(huge);
    huge = nullptr;
  }
  return Datum(0);
}

void ThrowHuge(const std::string& kind) {
  if (kind == "huge exception") {
    ExhaustMemory();
    throw HugeException();
  }
  if (kind == "huge error") {
    pg::Error error(ERRCODE_OBJECT_IN_USE, huge);
    ExhaustMemory();
    throw error;
  }
  if (kind == "huge postgres") {
    // The callback runs when the error is complete, and before it is taken.
    ErrorContextCallback callback = {};
    callback.callback = [](void*) { ExhaustMemory(); };
    pg::Call([&] {
      callback.previous = error_context_stack;
      error_context_stack = &callback;
      ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg_internal("%s", huge)));
    });
  }
}

// Throws, from under some objects, what its argument names.
Datum Throw(FunctionCallInfo fcinfo) {
  std::string kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  Living one, two;
  ThrowHuge(kind);
  if (kind == "exception") {
    throw std::runtime_error("thrown on purpose");
  }
  if (kind == "no memory") {
    throw std::bad_alloc();
  }
  if (kind == "unknown") {
    throw 42;
  }
  if (kind == "error") {
    throw pg::Error(ERRCODE_OBJECT_IN_USE, "an error of our own", "a hint", "a detail");
  }
  pg::Call([] {
    ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("raised on purpose"),
                    errdetail("its detail"), errhint("its hint"),
                    err_generic_string(PG_DIAG_COLUMN_NAME, "its_column")));
  });
  return Datum(0);
}

Datum CountLiving(FunctionCallInfo) { return Int32GetDatum(living); }

// What an Attempt returns for a statement that fails, after which the caller goes on.
Datum AttemptError(FunctionCallInfo) {
  Living one;
  std::optional<pg::Error> caught = pg::Attempt([] {
    Living two;
    pg::Call([] { DirectFunctionCall1(int4in, CStringGetDatum("no number")); });
  });
  std::string seen = caught ? caught->sqlstate() + " " + caught->what() : "nothing";
  return PointerGetDatum(cstring_to_text(seen.c_str()));
}

// An Attempt that is cancelled must not go on.
Datum AttemptForever(FunctionCallInfo) {
  Living one;
  pg::Attempt([] {
    for (;;) {
      pg::CheckInterrupts();
    }
  });
  return Datum(0);
}

// Errors, caught and thrown away, `count` times over.
Datum AttemptMany(FunctionCallInfo fcinfo) {
  int32_t count = PG_GETARG_INT32(0);
  for (int32_t i = 0; i < count; ++i) {
    pg::Attempt([] { pg::Call([] { ereport(ERROR, (errmsg("once more"))); }); });
  }
  return Int32GetDatum(count);
}

}  // namespace

MEND_EXPORT_AS(probe_throw, return Throw(fcinfo))
MEND_EXPORT_AS(probe_memory, return Memory(fcinfo))
MEND_EXPORT_AS(probe_living, return CountLiving(fcinfo))
MEND_EXPORT_AS(probe_attempt, return AttemptError(fcinfo))
MEND_EXPORT_AS(probe_attempt_forever, return AttemptForever(fcinfo))
MEND_EXPORT_AS(probe_attempt_many, return AttemptMany(fcinfo))
