#include "server/pg/test_point.h"

#ifdef MEND_TEST_POINTS

#include <unistd.h>

#include <fstream>
#include <string>

#include "server/pg/call.h"
#include "server/pg/latch.h"

namespace mend::pg {
namespace {

constexpr long kBetweenLooksMs = 5;

// True when the file was there and is this process's: unlink succeeds once.
bool Take(const std::string& file) { return unlink(file.c_str()) == 0; }

void WaitFor(const char* name, const std::string& file) {
  std::string activity = std::string("pg_mend: at test point ") + name;
  Call([&] {
    pgstat_report_activity(STATE_RUNNING, activity.c_str());
    while (unlink(file.c_str()) != 0) {
      CHECK_FOR_INTERRUPTS();
      WaitLatch(nullptr, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kBetweenLooksMs, PG_WAIT_EXTENSION);
    }
    pgstat_report_activity(STATE_RUNNING, "pg_mend: past a test point");
  });
}

}  // namespace

void TestPoint(const char* name) {
  std::string file = std::string("mend_test_points/") + name;
  std::string what, sqlstate;
  {
    std::ifstream order(file);
    if (!(order >> what) || !Take(file)) {
      return;
    }
    order >> sqlstate;
  }
  if (what == "wait") {
    WaitFor(name, file + ".go");
  } else if (what == "exit") {
    _exit(3);
  } else {
    throw Error(MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4]),
                std::string("test point ") + name);
  }
}

}  // namespace mend::pg

#endif
