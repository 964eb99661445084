#include "core/net/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>

#include <algorithm>
#include <iterator>
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

bool IsMetadataHost(std::string_view host) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    const std::string address(host.substr(1, host.size() - 2));
    in6_addr ip6;
    constexpr unsigned char kNet[] = {0xfd, 0x00, 0x0e, 0xc2};
    return inet_pton(AF_INET6, address.c_str(), &ip6) == 1 &&
           std::equal(std::begin(kNet), std::end(kNet), ip6.s6_addr);
  }
  in_addr ip4;
  return inet_pton(AF_INET, std::string(host).c_str(), &ip4) == 1 &&
         (ntohl(ip4.s_addr) >> 16) == 0xA9FE;
}

}  // namespace mend::net
