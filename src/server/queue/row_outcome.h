// What becomes of waiting rows, and the books that say so.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/drift/drift.h"
#include "server/queue/queue_reader.h"

namespace mend::queue {

// The SQLSTATE of a waiting row that took too long.
inline constexpr char kSlowState[] = "57014";

// The SQLSTATE of a dead letter whose table runs other code than it was offered for: only its
// submitter or a superuser retries it (mend.retry).
inline constexpr char kChangedCode[] = "MD001";

// What becomes of a row that does not fit.
struct RowOutcome {
  enum class Kind : uint8_t {
    DeadLetter,  // with the reason
    Wait,        // stays as it is, for a person or a time that the round knows of
    BackOff,     // stays, and is tried again after a growing pause
    Refold,      // stays, to be profiled anew: its misfit was not known to this round
    Reprofile,   // the same, through no fault of its own: there was no room for its misfit
  } kind = Kind::Refold;
  std::string reason;
  size_t culprit = 0;            // index of the misfit that decided it
  std::optional<int64_t> patch;  // the patch that should have made the row fit
};

// What a round has decided for each drift; from it, what becomes of each row that fails.
class OutcomePolicy {
 public:
  void Set(const drift::Class& values, RowOutcome::Kind to, std::string reason,
           std::optional<int64_t> patch = std::nullopt);
  void Forget(const drift::Class& values);
  // What becomes of rows with new fields that no drift records.
  void SetUnrecorded(RowOutcome::Kind to, std::string reason) {
    unrecorded_ = RowOutcome{to, std::move(reason), 0, std::nullopt};
  }
  const RowOutcome* Find(const drift::Class& values) const;
  // The outcome of a row with these misfits (at least one). `patch` is what was applied in this
  // round, if anything.
  RowOutcome For(const std::vector<drift::Misfit>& misfits, const QueuedRow& row,
                 std::optional<int64_t> patch) const;

 private:
  std::map<drift::Class, RowOutcome> fates_;
  std::optional<RowOutcome> unrecorded_;
};

struct ReplayCounts {
  int64_t stored = 0;
  int64_t dead = 0;
  int64_t failed = 0;  // of the dead: rows that a patch should have made fit
  int64_t waiting = 0;
  int64_t backing_off = 0;  // of the waiting
  bool refold = false;
  std::vector<int64_t> stored_ids;
  std::set<drift::Class> waits_for;  // the misfits of the rows that wait
  std::string refusal;  // why the table refused a row, in plain words; the first of them
  void Add(const ReplayCounts& other);
  // What was counted has been rolled back; why rows were refused is still known.
  void Forget();
};

// In the current transaction, as the extension's owner, with the row locked:

// Writes down the outcome of a row that has these misfits (at least one), and counts it.
void RecordOutcome(const QueuedRow& row, const std::vector<drift::Misfit>& misfits,
                   const OutcomePolicy& policy, std::optional<int64_t> patch_id,
                   ReplayCounts* counts);
// The row is tried again after a pause that grows with its attempts.
void BackOff(const QueuedRow& row, const drift::Misfit& misfit, int64_t at_least_ms = 0);
// It was alone, or the one at hand, when mend.batch_timeout passed: it is tried again after a
// pause, as what took too long, and is a dead letter in the end.
void PutOff(const QueuedRow& row, std::optional<int64_t> patch_id, ReplayCounts* counts);
void MoveToDeadLetters(const QueuedRow& row, const drift::Misfit& misfit, const std::string& reason,
                       std::optional<int64_t> patch_id);

}  // namespace mend::queue
