// Named places of a heal round at which a test makes the worker wait or fail. A build for users has
// none: TEST_POINTS=1 compiles them in.
//
// A test writes a file DATA/mend_test_points/NAME. The first process to come by takes it away and
// obeys:
//   wait            waits until a file NAME.go is there, and takes that away; cancel and
//   termination end the wait.
//                   pg_stat_activity.query is then "pg_mend: at test point NAME"
//   error SQLSTATE  raises an error
//   exit            dies at once, as if killed: the server restarts
#pragma once

namespace mend::pg {

#ifdef MEND_TEST_POINTS
void TestPoint(const char* name);
#else
inline void TestPoint(const char*) {}
#endif

}  // namespace mend::pg
