#include "core/limits/breaker.h"
#include "server/queue/dead_letter.h"
#include "server/queue/row_outcome.h"

namespace mend::queue {
namespace {

constexpr int kRefolds = 3;

bool MayArriveLate(const drift::Misfit& misfit) {
  return misfit.kind == drift::Kind::Constraint && misfit.sqlstate == "23503";
}

}  // namespace

void OutcomePolicy::Set(const drift::Class& values, RowOutcome::Kind to, std::string reason,
                        std::optional<int64_t> patch) {
  fates_[values] = RowOutcome{to, std::move(reason), 0, patch};
}

void OutcomePolicy::Forget(const drift::Class& values) { fates_.erase(values); }

const RowOutcome* OutcomePolicy::Find(const drift::Class& values) const {
  auto found = fates_.find(values);
  return found == fates_.end() ? nullptr : &found->second;
}

RowOutcome OutcomePolicy::For(const std::vector<drift::Misfit>& misfits, const QueuedRow& row,
                              std::optional<int64_t> patch) const {
  std::optional<RowOutcome> wait, back_off;
  for (size_t i = 0; i < misfits.size(); ++i) {
    const drift::Misfit& misfit = misfits[i];
    if (misfit.kind == drift::Kind::Behind) {
      return {RowOutcome::Kind::Wait, misfit.message, i, std::nullopt};
    }
    if (MayArriveLate(misfit)) {
      if (row.attempts + 1 >= limits::kForeignKeyAttempts) {
        return {RowOutcome::Kind::DeadLetter,
                "the row it refers to has not arrived after " + std::to_string(row.attempts + 1) +
                    " tries: " + misfit.message,
                i, patch};
      }
      back_off =
          RowOutcome{RowOutcome::Kind::BackOff, "the row it refers to may arrive late", i, patch};
    } else if (misfit.kind == drift::Kind::NoPartition) {
      back_off = RowOutcome{RowOutcome::Kind::BackOff,
                            "no partition takes it: a person must add one", i, patch};
    } else if (drift::IsFinal(misfit.kind)) {
      return {RowOutcome::Kind::DeadLetter, DeadLetterReason(misfits), i, patch};
    } else if (const RowOutcome* outcome = Find(drift::ClassOf(misfit))) {
      if (outcome->kind == RowOutcome::Kind::BackOff &&
          row.attempts + 1 >= limits::kForeignKeyAttempts) {
        return {RowOutcome::Kind::DeadLetter,
                outcome->reason + " (tried " + std::to_string(row.attempts + 1) + " times)", i,
                outcome->patch};
      }
      if (outcome->kind == RowOutcome::Kind::DeadLetter) {
        return {outcome->kind, outcome->reason, i, outcome->patch};
      }
      wait = RowOutcome{outcome->kind, outcome->reason, i, outcome->patch};
    }
  }
  if (wait) {
    return *wait;
  }
  if (back_off) {
    return *back_off;
  }
  for (size_t i = 0; i < misfits.size() && unrecorded_; ++i) {
    if (misfits[i].kind == drift::Kind::NewField) {
      return {unrecorded_->kind, unrecorded_->reason, i, std::nullopt};
    }
  }
  // Tries for something that might arrive late were no profiles.
  if (!row.backed_off && row.attempts + 1 >= kRefolds) {
    return {RowOutcome::Kind::DeadLetter,
            "it was profiled " + std::to_string(kRefolds) +
                " times and still does not fit: " + misfits.front().message,
            0, patch};
  }
  return {RowOutcome::Kind::Refold, "its misfit is new", 0, patch};
}

}  // namespace mend::queue
