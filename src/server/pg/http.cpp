#include "server/pg/http.h"

#include "server/pg/call.h"
#ifndef MEND_NO_NETWORK
#include "core/net/curl.h"
#endif

namespace mend::pg {

#ifdef MEND_NO_NETWORK

net::Transport& HttpTransport() {
  throw Error(ERRCODE_FEATURE_NOT_SUPPORTED, "pg_mend was built without a network");
}

#else

namespace {

uint32 WaitEvent() {
#if PG_VERSION_NUM >= 170000
  static uint32 event = 0;
  if (event == 0) {
    event = Call([] { return WaitEventExtensionNew("MendHttp"); });
  }
  return event;
#else
  return PG_WAIT_EXTENSION;
#endif
}

class ShownWait {
 public:
  explicit ShownWait(uint32 event) { pgstat_report_wait_start(event); }
  ~ShownWait() { pgstat_report_wait_end(); }
  ShownWait(const ShownWait&) = delete;
  ShownWait& operator=(const ShownWait&) = delete;
};

class ServerTransport final : public net::Transport {
 public:
  net::Outcome Send(const net::Request& request, const net::Pulse& pulse) override {
    Assert(!IsTransactionState());
    const uint32 event = WaitEvent();
    const ShownWait wait(event);
    return curl_.Send(request, [&] {
      const bool go_on = pulse();
      pgstat_report_wait_start(event);  // what the pulse waited for has ended this one
      return go_on;
    });
  }

 private:
  net::CurlTransport curl_;
};

}  // namespace

net::Transport& HttpTransport() {
  // Never destroyed: the end of a process waits for no thread of a library.
  static ServerTransport* const transport = new ServerTransport();
  return *transport;
}

#endif

bool HeedInterrupts() {
  if (!PostmasterIsAlive()) {
    proc_exit(1);
  }
  CheckInterrupts();
  return true;
}

}  // namespace mend::pg
