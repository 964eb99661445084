// A limit on what a worker does in user code, or while it holds a lock that others wait for.
#pragma once

#include "server/pg/call.h"

namespace mend::pg {

// From its making to its end, cancels what runs longer than `ms` (statement_timeout is not armed in
// a background worker), and ends the process when that goes on, for as long again but five seconds
// at most: user code can catch a cancel. One at a time; elsewhere than in a background worker it
// does nothing, for there the session's own limit holds.
class Deadline {
 public:
  explicit Deadline(int ms);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // Gives all of its `ms` to what comes next. Nothing where there is none, and once the process is
  // to end.
  static void Restart();
  // Whether `error` is the work of the last one.
  static bool IsTimeout(const Error& error);
  // The `ms` of the one that ends this process; 0: none does.
  static int Ignored();
  // Whether its work came to a good end all the same, before the process did: a commit is not
  // interrupted.
  static bool EndedLate();

 private:
  bool armed_;
};

// Tells what a deadline has cancelled from what a person has: how long it took decides.
class Stopwatch {
 public:
  bool Past(int ms) const { return TimestampDifferenceExceeds(begun_, GetCurrentTimestamp(), ms); }
  int64_t Ms() const { return TimestampDifferenceMilliseconds(begun_, GetCurrentTimestamp()); }
  // Whether `error` is the work of a Deadline of `ms` that was made after this.
  bool IsTimeout(const Error& error, int ms) const {
    return error.sqlerrcode() == ERRCODE_QUERY_CANCELED && Past(ms);
  }

 private:
  TimestampTz begun_ = GetCurrentTimestamp();
};

}  // namespace mend::pg
