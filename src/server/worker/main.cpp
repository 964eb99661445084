// A worker's life: look for due tables, lease one, heal it; nap; leave.
#include <algorithm>

#include "core/limits/breaker.h"
#include "server/apply/submitter.h"
#include "server/heal/round.h"
#include "server/observe/outbox.h"
#include "server/observe/seals.h"
#include "server/pg/interface.h"
#include "server/pg/latch.h"
#include "server/pg/memory.h"
#include "server/pg/settings.h"
#include "server/pg/test_point.h"
#include "server/pg/work_transaction.h"
#include "server/worker/exit_handler.h"
#include "server/worker/leases.h"
#include "server/worker/own_slot.h"
#include "server/worker/slots.h"
#include "server/worker/wake.h"
#include "server/worker/work.h"
#include "server/worker/yield.h"

namespace mend::worker {
namespace {

constexpr int64_t kLookAtLeastEveryMs = 60 * 1000;
constexpr int64_t kLookForPreparedMs = 5 * 1000;
constexpr int64_t kCheckPresenceMs = 1000;
// While other workers heal the tables that are due, every commit wakes us in vain: not more often
// than this.
constexpr long kBetweenVainLooksMs = 20;
// Events are sealed and told when nothing has been due for a moment, and when they have waited that
// long.
constexpr int64_t kBeforeChoresMs = 10;
constexpr int64_t kChoresAtLeastEveryMs = 1000;
constexpr int64_t kLongestBackOffMs = 30 * 1000;

int64_t NowMs() { return GetCurrentTimestamp() / 1000; }

void ReloadSettings() {
  pg::Call([] {
    if (ConfigReloadPending) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
    }
  });
}

void Report(BackendState state, const std::string& what) {
  pg::Call([&] { pgstat_report_activity(state, state == STATE_IDLE ? nullptr : what.c_str()); });
}

void Log(const std::string& what, const pg::Error& error) {
  pg::Call([&] {
    ereport(WARNING,
            (errcode(error.sqlerrcode()), errmsg("%s: %s", what.c_str(), error.what()),
             error.fields().context ? errcontext("%s", error.fields().context->c_str()) : 0));
  });
}

// Runs what may fail, and makes the process fit to go on when it has.
template <class F>
std::optional<pg::Error> Guarded(F&& function) {
  std::optional<pg::Error> caught;
  try {
    function();
    return std::nullopt;
  } catch (const pg::Error& error) {
    caught = error;
  } catch (const std::bad_alloc&) {
    caught.emplace(ERRCODE_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    caught.emplace(ERRCODE_INTERNAL_ERROR, error.what());
  }
  pg::Call([] {
    HOLD_INTERRUPTS();
    disable_all_timeouts(false);
    QueryCancelPending = false;
    AbortOutOfAnyTransaction();
    RESUME_INTERRUPTS();
  });
  return caught;
}

class Worker {
 public:
  Worker() : scratch_("pg_mend worker", TopMemoryContext), active_at_(NowMs()) {}

  // Returns when the worker has left its slot.
  void Serve() {
    BeginTurn();
    for (bool stay = true; stay;) {
      MemoryContextSwitchTo(scratch_.get());
      scratch_.Reset();
      std::optional<pg::Error> error = Guarded([&] { stay = Turn(); });
      failed_turns_ = error ? failed_turns_ + 1 : 0;
      if (error) {
        Log("pg_mend worker", *error);
        Guarded([&] {
          stay = ExitIn() > 0
                     ? Nap(std::min(limits::BackoffMs(failed_turns_), kLongestBackOffMs), false, 0)
                     : !ReleaseSlot(0);
        });
      }
    }
    if (succeeded_by_another_) {
      WakeNow();
    }
    StartWaiting(true);
  }

 private:
  // One look and what follows from it; false when the worker has left.
  bool Turn() {
    ReloadSettings();
    if (TurnIsOver()) {
      ReleaseSlotBusy();
      return false;
    }
    bool wanted = TakeWanted();
    Outlook outlook;
    if (!MayStay() || !Look(&outlook)) {
      return outlook.stopped ? !ReleaseSlotStopped() : !ReleaseSlot(0);
    }
    if (!outlook.due.empty()) {
      pg::TestPoint("looked");
    }
    if (HealOne(outlook)) {
      active_at_ = NowMs();
      if (active_at_ - chores_at_ >= kChoresAtLeastEveryMs) {
        DoChores(true);
      }
      chores_left_ = true;
      return true;
    }
    if (chores_left_ && NowMs() - chores_at_ < kChoresAtLeastEveryMs) {
      pg::Nap(kBeforeChoresMs);
      if (Wanted()) {
        return true;
      }
    }
    DoChores(false);
    if (wanted) {
      active_at_ = NowMs();
      pg::Sleep(kBetweenVainLooksMs);
    }
    return Idle(outlook);
  }

  // False when there is nothing here for a worker.
  bool Look(Outlook* outlook) {
    Report(STATE_RUNNING, "pg_mend: looking for work");
    leases_seen_ = Leases(InvalidOid);
    pg::Transaction transaction;
    bool stay = pg::LockExtension();
    if (!stay && WarnOfOtherVersion()) {
      outlook->stopped = true;
    } else if (stay) {
      *outlook = LookForWork();
      // After it: whoever changes a setting and then asks for a round gets that round with that
      // setting.
      succeeded_by_another_ = !settings_.Refresh() || succeeded_by_another_;
      stay = !succeeded_by_another_ && !outlook->stopped && pg::max_workers > 0;
    }
    transaction.Commit();
    return stay;
  }

  // Where the objects are of another release, healing waits for ALTER EXTENSION: the log says so
  // each time that a worker is started in vain. False where there are none.
  static bool WarnOfOtherVersion() {
    std::optional<std::string> version = pg::ObjectsVersion();
    if (version) {
      pg::Call([&] {
        ereport(WARNING, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                          errmsg("pg_mend worker: the objects of pg_mend in this database are of "
                                 "version %s, its library is of another: nothing heals",
                                 version->c_str()),
                          errhint("ALTER EXTENSION pg_mend UPDATE;")));
      });
    }
    return version.has_value();
  }

  // What can wait while rows cannot.
  void DoChores(bool healed) {
    Seal();
    SendMessages(healed);
    chores_at_ = NowMs();
    chores_left_ = false;
  }

  // Trouble with the audit trail stops no healing, and is told once.
  void Seal() {
    std::optional<pg::Error> error = Guarded([&] { observe::SealEvents(!sealed_before_); });
    sealed_before_ = true;
    std::string told = error ? error->what() : "";
    if (error && told != seal_trouble_) {
      Log("pg_mend: audit events are not sealed", *error);
    }
    seal_trouble_ = told;
  }

  // Tells the world what has happened; whoever cannot be told keeps nobody from being healed.
  void SendMessages(bool healed) {
    next_message_ms_.reset();
    std::optional<pg::Error> error = Guarded([&] {
      Report(STATE_RUNNING, "pg_mend: sending messages");
      next_message_ms_ = observe::SendMessages([&] { return Wanted() || (healed && due_left_); });
    });
    if (error) {
      Log("pg_mend: messages are not sent", *error);
      next_message_ms_ = kLookAtLeastEveryMs;
    }
  }

  // Heals the first due table, in rotation, that no other worker has; false when there is none.
  bool HealOne(const Outlook& outlook) {
    const std::vector<DueTable>& due = outlook.due;
    auto after =
        std::upper_bound(due.begin(), due.end(), last_target_,
                         [](Oid target, const DueTable& table) { return target < table.target; });
    size_t first = static_cast<size_t>(after - due.begin());
    for (size_t i = 0; i < due.size(); ++i) {
      const DueTable& table = due[(first + i) % due.size()];
      if (Lease(table.target)) {
        if (!IsFresh() && !Recheck(table.target)) {
          ReleaseLease();
          continue;
        }
        due_left_ = i + 1 < due.size();
        if (due_left_) {
          WakeNow();
        }
        std::optional<pg::Error> error = Heal(table);
        ReleaseLease();
        if (error) {
          throw *error;
        }
        return true;
      }
    }
    return false;
  }

  // Whether no other worker has healed anything since the look, or while it was taken: just leased,
  // a table is then as due as it looked.
  bool IsFresh() const {
    return !leases_seen_.held && Leases(InvalidOid).taken == leases_seen_.taken + 1;
  }

  bool Recheck(Oid target) {
    bool due = false;
    std::optional<pg::Error> error = Guarded([&] {
      pg::Transaction transaction;
      due = pg::LockExtension() && StillDue(target);
      transaction.Commit();
    });
    if (error) {
      ReleaseLease();
      throw *error;
    }
    return due;
  }

  // A round that failed is booked; returned is what went wrong with the books, if anything.
  std::optional<pg::Error> Heal(const DueTable& table) {
    last_target_ = table.target;
    SetHealingTarget(table.target);
    std::optional<pg::Error> error = Guarded([&] {
      Report(STATE_RUNNING, "pg_mend: healing " + table.name);
      WorkerHost host;
      heal::RunRound(&host, table.target);
    });
    SetHealingTarget(InvalidOid);
    return error ? BookError(table, *error) : table.failing ? BookSuccess(table) : std::nullopt;
  }

  std::optional<pg::Error> BookError(const DueTable& table, const pg::Error& error) {
    return Guarded([&] {
      // What user code has left behind: an advisory lock, for one, outlives the roll back.
      apply::DiscardSession();
      pg::Transaction transaction;
      // A round that failed because the extension was dropped is no failure.
      if (pg::LockExtension()) {
        Log("pg_mend: heal round of " + table.name + " failed", error);
        BookFailure(table.target, error);
      }
      transaction.Commit();
    });
  }

  std::optional<pg::Error> BookSuccess(const DueTable& table) {
    return Guarded([&] {
      pg::Transaction transaction;
      if (pg::LockExtension()) {
        BookRecovery(table.target);
      }
      transaction.Commit();
    });
  }

  // Nothing to do: naps, or leaves and returns false. The last worker stays while time or a
  // prepared transaction may bring work that nobody would wake it for.
  bool Idle(const Outlook& outlook) {
    int64_t exit_in = ExitIn();
    int64_t nap = outlook.prepared ? kLookForPreparedMs : kLookAtLeastEveryMs;
    if (ReleaseSlot(pg::max_workers)) {
      return false;
    }
    std::optional<int64_t> next_ms =
        outlook.prepared ? std::optional<int64_t>(kLookForPreparedMs) : std::nullopt;
    for (const std::optional<int64_t>& next : {outlook.next_ms, next_message_ms_}) {
      next_ms = !next ? next_ms : std::min(next_ms.value_or(*next), *next);
    }
    if (exit_in <= 0) {
      pg::TestPoint("leaving");
      if (ReleaseSlot(outlook.prepared || outlook.next_ms || next_message_ms_ ? 1 : 0)) {
        return false;
      }
    } else {
      nap = std::min(nap, exit_in);
    }
    nap = std::min(nap, next_message_ms_.value_or(nap));
    return Nap(outlook.next_ms ? std::min(nap, *outlook.next_ms) : nap, true, next_ms);
  }

  int64_t ExitIn() const { return active_at_ + pg::idle_exit_s * int64_t{1000} - NowMs(); }

  // Sleeps until `ms` have passed or, if heeded, the worker is wanted; false when it has left
  // meanwhile.
  bool Nap(int64_t ms, bool heed_wanted, std::optional<int64_t> next_ms) {
    Report(STATE_IDLE, "");
    pg::Call([] { pgstat_report_stat(true); });
    int64_t now = NowMs();
    int64_t until = now + std::max<int64_t>(ms, 1);
    int64_t check_at = now + kCheckPresenceMs;
    while (now < until && !(heed_wanted && Wanted())) {
      if (OthersWait() && ReleaseSlotIdle(next_ms)) {
        return false;
      }
      pg::Nap(static_cast<long>(std::max<int64_t>(std::min(until, check_at) - now, 1)));
      if (ConfigReloadPending) {
        return true;
      }
      now = NowMs();
      if (now >= check_at) {
        check_at = now + kCheckPresenceMs;
        if (!MayStay() && ReleaseSlot(0)) {
          return false;
        }
        StartWaiting(false);
      }
    }
    return true;
  }

  pg::Context scratch_;
  DatabaseSettings settings_;
  int failed_turns_ = 0;  // in a row
  Oid last_target_ = InvalidOid;
  LeaseMark leases_seen_{false, 0};  // before the last look
  int64_t active_at_;
  bool succeeded_by_another_ = false;
  int64_t chores_at_ = 0;
  bool chores_left_ = false;    // since a table was healed
  bool sealed_before_ = false;  // whether all events were looked at once
  std::string seal_trouble_;    // what the log has been told
  bool due_left_ = false;       // whether other tables were due when the last one was leased
  std::optional<int64_t> next_message_ms_;  // until there is something to tell
};

}  // namespace
}  // namespace mend::worker

extern "C" {
PGDLLEXPORT void mend_worker_main(Datum database);
}

void mend_worker_main(Datum argument) {
  using namespace mend;
  Oid database = DatumGetObjectId(argument);
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
  bool entered = pg::Export([&] {
    worker::AttachSlots();
    return worker::ClaimSlot(database);
  });
  if (entered) {
    BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
    pg::Export([] {
      worker::PinSettings();
      worker::InstallExitHandler();
      worker::Worker().Serve();
    });
  }
  proc_exit(0);
}
