// When to stop by ourselves: pure decisions on counts and times.
#pragma once

#include <cstdint>
#include <string>

namespace mend::limits {

// Milliseconds to wait before try number `attempt` (1 is the first retry): 1 s doubling to 300 s.
int64_t BackoffMs(int attempt);

// How often a row whose foreign key target is missing is tried again before it is a dead letter.
inline constexpr int kForeignKeyAttempts = 8;

// How often a row may be in flight while the server crashes before it is quarantined.
inline constexpr int kCrashAttempts = 2;

// New fields of a table that wait at a time and are recorded: more than a table can have columns. A
// sender who makes up names must not fill the books; once half of them are settled, rows with
// fields that found no room are profiled anew.
inline constexpr size_t kMostNewFields = 2000;

// How often a row is tried that takes longer than mend.batch_timeout before it is a dead letter,
// and how many such rows a round puts off before the table rests.
inline constexpr int kSlowAttempts = 3;
inline constexpr int kSlowRowsARound = 2;
// It is tried again after this many times mend.batch_timeout: a tenth of a worker, at most, is at
// it.
inline constexpr int64_t kRestAfterSlow = 10;

// How long a worker heals one table while another is due that no worker has.
inline constexpr int kTimeSliceMs = 5000;

// Milliseconds for which a table's breaker stays open the `tries`th time in a row (from 1): a
// minute, doubling to a day.
int64_t BreakerPauseMs(int tries);

// New columns that a half-open breaker lets through at a time, and the rows that must show a field
// for it to be one of them.
inline constexpr int64_t kProbeColumns = 16;
inline constexpr int64_t kRowsThatMeanAField = 2;

}  // namespace mend::limits
