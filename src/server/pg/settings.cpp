#include "server/pg/settings.h"

#include <algorithm>
#include <climits>
#include <initializer_list>
#include <string>
#include <string_view>

#include "server/pg/postgres.h"
#include "server/pg/settings_claude.h"
#include "server/pg/settings_limits.h"
#include "server/pg/settings_observe.h"

namespace mend::pg {

char* planners = nullptr;
char* outbox_channels = nullptr;
int lock_timeout_ms = 2000;
int max_lock_hold_ms = 10000;
int max_rewrite_mb = 1024;
int batch_size = 1000;
int batch_timeout_ms = 60000;
int max_workers = 2;
int max_server_workers = -1;
int idle_exit_s = 60;
int patches_per_hour = 30;
int column_cooldown_s = 3600;
int promote_pace = 0;
double online_pace = 0.5;
int max_columns = 400;

namespace {

struct StringSetting {
  const char* name;
  const char* description;
  char** variable;
  const char* boot;
  int flags;
};

constexpr StringSetting kStringSettings[] = {
    {"mend.planners", "Planners that are asked for a patch, in order; the first that answers wins.",
     &planners, "rules,claude", 0},
    {"mend.outbox_channels",
     "Channels (webhook, lineage) whose messages another program takes from mend.outbox; empty: "
     "none.",
     &outbox_channels, "", 0},
};

// The first of the names in a comma-separated list; the list goes on behind it. Empty at its end,
// or where a name is.
std::string_view TakeName(std::string_view* list) {
  const size_t comma = list->find(',');
  std::string_view word = list->substr(0, comma);
  *list = comma == std::string_view::npos ? std::string_view() : list->substr(comma + 1);
  const size_t first = word.find_first_not_of(" \t");
  return first == std::string_view::npos
             ? std::string_view()
             : word.substr(first, word.find_last_not_of(" \t") - first + 1);
}

// Names that nothing has are told when they are set, not by rows that wait.
bool CheckNames(std::string_view list, std::initializer_list<std::string_view> known,
                const char* what, const char* there_are) {
  while (!list.empty()) {
    const std::string_view name = TakeName(&list);
    if (!name.empty() && std::find(known.begin(), known.end(), name) == known.end()) {
      GUC_check_errdetail("There is no %s \"%.*s\": %s.", what, static_cast<int>(name.size()),
                          name.data(), there_are);
      return false;
    }
  }
  return true;
}

bool CheckPlanners(char** value, void**, GucSource) {
  return CheckNames(*value, {"rules", "claude"}, "planner", "the planners are rules and claude");
}

bool CheckChannels(char** value, void**, GucSource) {
  return CheckNames(*value, {"webhook", "lineage"}, "channel",
                    "the channels are webhook and lineage");
}

struct IntSetting {
  const char* name;
  const char* description;
  int* variable;
  int boot;
  int low;
  int high;
  int flags;
};

constexpr IntSetting kIntSettings[] = {
    {"mend.lock_timeout", "How long a heal waits for the lock on its table before it backs off.",
     &lock_timeout_ms, 2000, 1, INT_MAX, GUC_UNIT_MS},
    {"mend.max_lock_hold",
     "How long a heal may hold the lock on its table; past it the heal is rolled back.",
     &max_lock_hold_ms, 10000, 100, INT_MAX, GUC_UNIT_MS},
    {"mend.max_rewrite_size", "Patches that rewrite a larger table wait for approval.",
     &max_rewrite_mb, 1024, 0, INT_MAX, GUC_UNIT_MB},
    {"mend.batch_size", "Rows written or replayed in one batch.", &batch_size, 1000, 1, 100000, 0},
    {"mend.batch_timeout",
     "How long a table's own code (triggers, constraints, domains) may take with one batch of "
     "rows; past it they are "
     "tried one by one, and one that alone takes longer is put off.",
     &batch_timeout_ms, 60000, 100, INT_MAX, GUC_UNIT_MS},
    {"mend.max_workers",
     "Workers that may heal tables of one database at the same time; 0 stops healing.",
     &max_workers, 2, 0, 32, 0},
    {"mend.max_server_workers",
     "Workers that may be there in all databases of the server together; -1: a third of "
     "max_worker_processes. Databases that want one take turns.",
     &max_server_workers, -1, -1, 128, 0},
    {"mend.idle_exit", "How long a worker stays when there is nothing to do.", &idle_exit_s, 60, 1,
     INT_MAX / 1000, GUC_UNIT_S},
    {"mend.patches_per_hour",
     "Patches applied to one table in an hour before its breaker opens; 0 is no limit.",
     &patches_per_hour, 30, 0, INT_MAX, 0},
    {"mend.column_cooldown",
     "How long a column whose type was changed is left alone; its rows wait. 0 is off; adding a "
     "column does not count.",
     &column_cooldown_s, 3600, 0, INT_MAX / 1000, GUC_UNIT_S},
    {"mend.max_columns", "Columns, dropped ones included, to which a table may grow by itself.",
     &max_columns, 400, 1, 1600, 0},
    {"mend.promote_pace",
     "Rows in a second whose rescued values are moved to their columns; 0 is no limit.",
     &promote_pace, 0, 0, INT_MAX, 0},
};

}  // namespace

namespace {

// The place of a name in a comma-separated list; -1: it has none.
int PlaceOf(std::string_view name, const char* list) {
  std::string_view rest = list != nullptr ? list : "";
  for (int place = 0; !rest.empty(); ++place) {
    if (TakeName(&rest) == name) {
      return place;
    }
  }
  return -1;
}

}  // namespace

bool PlannerEnabled(const char* name) { return PlaceOf(name, planners) >= 0; }

bool IsTakenByOthers(const char* channel) { return PlaceOf(channel, outbox_channels) >= 0; }

bool PlannerPrecedes(const char* first, const char* second) {
  const int place = PlaceOf(first, planners);
  return place >= 0 && place < PlaceOf(second, planners);
}

void DefineSettings() {
  DefineCustomRealVariable(
      "mend.online_pace",
      "Share of the time that the worker may spend on copying rows while a column is widened "
      "online.",
      nullptr, &online_pace, online_pace, 0.01, 1, PGC_SUSET, 0, nullptr, nullptr, nullptr);
  for (const StringSetting& setting : kStringSettings) {
    DefineCustomStringVariable(setting.name, setting.description, nullptr, setting.variable,
                               setting.boot, PGC_SUSET, setting.flags,
                               setting.variable == &planners ? CheckPlanners : CheckChannels,
                               nullptr, nullptr);
  }
  for (const IntSetting& setting : kIntSettings) {
    DefineCustomIntVariable(setting.name, setting.description, nullptr, setting.variable,
                            setting.boot, setting.low, setting.high, PGC_SUSET, setting.flags,
                            nullptr, nullptr, nullptr);
  }
  DefineClaudeSettings();
  DefineObserveSettings();
  DefineLimitSettings();
  MarkGUCPrefixReserved("mend");
}

}  // namespace mend::pg
