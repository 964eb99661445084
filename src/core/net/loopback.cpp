#include "core/net/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>

#include <string>

namespace mend::net {

bool IsLoopbackHost(std::string_view host) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    const std::string address(host.substr(1, host.size() - 2));
    in6_addr ip6;
    return inet_pton(AF_INET6, address.c_str(), &ip6) == 1 && IN6_IS_ADDR_LOOPBACK(&ip6);
  }
  const std::string name(host);
  if (strcasecmp(name.c_str(), "localhost") == 0 || name == "::1") return true;
  in_addr ip4;
  return inet_pton(AF_INET, name.c_str(), &ip4) == 1 && (ntohl(ip4.s_addr) >> 24) == 127;
}

}  // namespace mend::net
