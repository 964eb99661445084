#include "core/heal/breaker.h"
#include "server/apply/replay.h"
#include "server/ingest/enqueue.h"

namespace mend::apply {
namespace {

constexpr int kRefolds = 3;

bool MayArriveLate(const drift::Misfit& misfit) {
  return misfit.kind == drift::Kind::Constraint && misfit.sqlstate == "23503";
}

}  // namespace

void Dispositions::Set(const std::string& field, drift::Kind kind, Fate::To to, std::string reason) {
  fates_[{field, kind}] = Fate{to, std::move(reason)};
}

const Fate* Dispositions::Find(const std::string& field, drift::Kind kind) const {
  auto found = fates_.find({field, kind});
  return found == fates_.end() ? nullptr : &found->second;
}

Fate Dispositions::For(const std::vector<drift::Misfit>& misfits, const QueuedRow& row) const {
  std::optional<Fate> wait, back_off;
  for (const drift::Misfit& misfit : misfits) {
    if (MayArriveLate(misfit)) {
      if (row.attempts + 1 >= heal::kForeignKeyAttempts) {
        return {Fate::To::DeadLetter, "the row it refers to has not arrived after " + std::to_string(row.attempts + 1) +
                                          " tries: " + misfit.message};
      }
      back_off = Fate{Fate::To::BackOff, "the row it refers to may arrive late"};
    } else if (misfit.kind == drift::Kind::NoPartition) {
      back_off = Fate{Fate::To::BackOff, "no partition takes it: a person must add one"};
    } else if (drift::IsFinal(misfit.kind)) {
      return {Fate::To::DeadLetter, ingest::DeadLetterReason(misfits)};
    } else if (const Fate* fate = Find(misfit.field, misfit.kind)) {
      if (fate->to == Fate::To::DeadLetter) {
        return *fate;
      }
      wait = *fate;
    }
  }
  if (wait) {
    return *wait;
  }
  if (back_off) {
    return *back_off;
  }
  // Tries for something that might arrive late were no profiles.
  if (!row.backed_off && row.attempts + 1 >= kRefolds) {
    return {Fate::To::DeadLetter, "it was profiled " + std::to_string(kRefolds) +
                                      " times and still does not fit: " + misfits.front().message};
  }
  return {Fate::To::Refold, "its misfit is new"};
}

}  // namespace mend::apply
