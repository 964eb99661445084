// The credential of a request, from wherever it is kept. doc/providers.md lists the sources in
// their order.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/net/transport.h"
#include "core/plan/claude/messages.h"

namespace mend::claude {

// What is configured, without asking anybody over the network.
struct Configured {
  bool any = false;    // somebody has configured a credential
  std::string fault;   // it cannot be used, and why
  std::string mark;    // changes when it does
  bool signs = false;  // requests are signed for a region of AWS
};
Configured LookAtCredential(plan::claude::Provider provider);

// The credential as it is now. Files are read anew; what a metadata service gives is kept until
// shortly before it expires, or until it was refused. Call outside of a transaction: a metadata
// service is asked over HTTP.
base::Result<plan::claude::Credential> TakeCredential(plan::claude::Provider provider, bool refused,
                                                      const net::Pulse& pulse);

// A variable of the server's environment, trimmed; empty when it is not set.
std::string Environment(const char* name);

}  // namespace mend::claude
