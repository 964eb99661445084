// Step 2 of applying: ALTER TABLE and the first rows in one transaction, or nothing.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "server/apply/patches.h"
#include "server/apply/replay.h"

namespace mend::apply {

struct Application {
  enum class Result : uint8_t {
    Applied,
    ShapeChanged,  // somebody altered the table since the patch was planned: plan again
    Unfit,         // the healer may not heal this table (any more); see reason
    Refuted,       // all rows of some actions still fail: rolled back; see refuted
  } result = Result::Applied;
  std::string reason;
  std::vector<bool> refuted;  // by index into patch.actions
  queue::ReplayCounts counts;
};

// Applies one patch outside of any transaction: lock, check the shape, lend the table, ALTER, give
// it back, record, replay the sample as its submitter, let the caller write what he has to in
// `before_commit`, commit. What it waits for the lock is taken from `patience_ms`, so that several
// tries together wait mend.lock_timeout. The lock is held at most mend.max_lock_hold. Throws 55P03
// when the lock is not to be had, 57014 when held too long, and whatever the ALTER or the commit
// raises; `altered` then says whether the ALTER itself went well.
Application Apply(Oid target, const PatchRecord& record, const std::vector<SampleRow>& sample,
                  const std::string& planned_shape, const queue::OutcomePolicy& policy,
                  const std::function<void(const queue::ReplayCounts&)>& before_commit,
                  int* patience_ms, bool* altered);

// Runs a patch's DDL under the lock that the caller holds, as the healer, when the healer is fit.
// Returns why it is not, else nullopt. For Apply, dry runs and reverts.
std::optional<std::string> AlterUnderLock(const table::Target& target, const std::string& ddl);

// The same of labels for an enum, for which the table need not be locked.
std::optional<std::string> AddLabels(const table::Target& target, const plan::Patch& patch);

// Locks those of the sample's rows that are offered alike with the first, and may be stored. All
// are of one submitter; of his sessions, one is tried under the lock.
std::vector<queue::QueuedRow> LockSample(const std::vector<SampleRow>& sample, Oid target,
                                         const std::string& target_name);

// Records with a patch what its ALTER has made of the table's code, which was `before`: what has
// been offered for the one is offered for the other.
void NoteChangeOfCode(Oid target, int64_t patch_id, const std::string& before);

// The books of a patch whose ALTER went well, in its transaction.
void RecordApplied(const table::Target& target, const PatchRecord& record);

// Takes the locks for an ALTER, of partitions and children too; throws 55P03 when they are not to
// be had in time. Holds none of them while it waits for another: whoever locks a partition before
// the whole comes to no deadlock with it. The time-out lasts to the end of the transaction.
void LockForAlter(Oid relid, int within_ms);

}  // namespace mend::apply
