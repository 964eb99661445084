// Taking an applied patch back, without losing anything.
#pragma once

#include <cstdint>

#include "server/pg/call.h"

namespace mend::apply {

// Runs the inverse of an applied patch in the current transaction, under the lock. Values of
// columns that go are kept in mend.undo_<id>; a type is narrowed only if no value changes. Its
// fields are held from then on. Throws 42704 for no such patch, 55000 when it is not applied or
// would lose something, 55P03 when the lock is not to be had.
void Revert(int64_t patch_id);

// Begins to take an applied patch back that has widened a number, without a long lock: its column
// gets the former type back in steps (widen.h), unless a value does not fit. Throws as Revert().
void RevertOnline(int64_t patch_id);

// The books of a patch whose inverse went well, in its transaction.
void RecordReverted(Oid target, int64_t patch_id);

// Takes back, in a transaction of its own, what was just applied and helps no row: the patch is
// approved again. False, with nothing done, where somebody has made use of it already or it cannot
// be taken back now.
bool Withdraw(Oid target, int64_t patch_id);

}  // namespace mend::apply
