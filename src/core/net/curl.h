// The Transport over libcurl; curl.cpp is the only file that includes it.
#pragma once

#include "core/net/transport.h"

namespace mend::net {

// Certificates are checked; redirects are not followed; the proxy environment is honoured, never
// for loopback. libcurl's threads start with every signal blocked. Make one in the process that
// uses it, never in a parent of it (libcurl may start threads). Not for two threads at once.
class CurlTransport final : public Transport {
 public:
  CurlTransport();
  ~CurlTransport() override;
  CurlTransport(const CurlTransport&) = delete;
  CurlTransport& operator=(const CurlTransport&) = delete;

  Outcome Send(const Request& request, const Pulse& pulse) override;

 private:
  bool ready_ = false;
};

}  // namespace mend::net
