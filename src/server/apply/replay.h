// Putting waiting rows into their table: as their submitter, exactly once.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/drift/kind.h"
#include "server/apply/queue.h"
#include "server/apply/runs.h"
#include "server/ingest/target.h"

namespace mend::apply {

// What becomes of a row that does not fit.
struct Fate {
  enum class To : uint8_t {
    DeadLetter,  // with the reason
    Wait,        // stays as it is, for a person or a time that the round knows of
    BackOff,     // stays, and is tried again after a growing pause
    Refold,      // stays, to be profiled anew: its misfit was not known to this round
    Reprofile,   // the same, through no fault of its own: there was no room for its misfit
  } to = To::Refold;
  std::string reason;
  size_t culprit = 0;             // index of the misfit that decided it
  std::optional<int64_t> patch;   // the patch that should have made the row fit
};

// What a round has decided for each drift; from it, the fate of each row that fails.
class Dispositions {
 public:
  void Set(const std::string& field, drift::Kind kind, Fate::To to, std::string reason,
           std::optional<int64_t> patch = std::nullopt);
  // What becomes of rows with new fields that no drift records.
  void SetUnrecorded(Fate::To to, std::string reason) { unrecorded_ = Fate{to, std::move(reason), 0, std::nullopt}; }
  const Fate* Find(const std::string& field, drift::Kind kind) const;
  // The fate of a row with these misfits (at least one). `patch` is what was applied in this round, if anything.
  Fate For(const std::vector<drift::Misfit>& misfits, const QueuedRow& row, std::optional<int64_t> patch) const;

 private:
  std::map<std::pair<std::string, drift::Kind>, Fate> fates_;
  std::optional<Fate> unrecorded_;
};

struct ReplayCounts {
  int64_t stored = 0;
  int64_t dead = 0;
  int64_t failed = 0;  // of the dead: rows that a patch should have made fit
  int64_t waiting = 0;
  int64_t backing_off = 0;  // of the waiting
  bool refold = false;
  std::vector<int64_t> stored_ids;
  std::set<std::pair<std::string, drift::Kind>> waits_for;  // the misfits of the rows that wait
  std::string refusal;  // why the table refused a row, in plain words; the first of them
  void Add(const ReplayCounts& other);
  // What was counted has been rolled back; why rows were refused is still known.
  void Forget();
};

// In the open transaction, as the current user: stores what fits, and writes the books (as the
// bookkeeper, for a moment). All rows have one submitter and one context, and are locked. `patch_id` is
// credited. The caller has become the submitter and stays so until after the commit: deferred triggers
// run user code then.
ReplayCounts ReplayHere(const ingest::Target& target, const std::vector<QueuedRow>& rows,
                        const Dispositions& dispositions, std::optional<int64_t> patch_id);

// How the replay of a round gets on with the table's own code.
struct Pace {
  size_t at_once = SIZE_MAX;  // rows that go into one transaction
  int put_off = 0;            // rows that took too long alone
  bool marked = false;        // whether the mark of the next run was committed with the last one
};

// Replays a run in a transaction of its own (outside of any), with a crash marker committed first
// and the session discarded after. The rows are stored as they were read, and the transaction is done again, with the rows
// locked and read anew, where one has changed since. Its commit brings the marker of the run `ahead`, unless null, which
// must be the next to be replayed. An error at commit (a deferred constraint) or for lack of privilege
// is traced to its rows by halving. What takes longer than mend.batch_timeout is rolled back and stored row by row, and a
// row that takes longer alone is put off: tried again after a pause, and a dead letter in the end. Throws errors that say nothing about the
// rows, and 57014 when several rows in a round took too long: the table must rest.
ReplayCounts Replay(Oid target, const Run& run, const Run* ahead, const Dispositions& dispositions,
                    std::optional<int64_t> patch_id, Pace* pace);

// Commits a mark that says which rows are about to be touched: when the worker dies with them, or the
// server, the next round finds it. Outside of any transaction.
void MarkInFlight(Oid target, const std::vector<int64_t>& ids);
// The same mark in the open transaction, which the caller commits before he touches a row.
void NoteInFlight(Oid target, const std::vector<int64_t>& ids);

// Moves one row to the dead letters in the current transaction.
void MoveToDeadLetters(const QueuedRow& row, const drift::Misfit& misfit, const std::string& reason,
                       std::optional<int64_t> patch_id);

}  // namespace mend::apply
