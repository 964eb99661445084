#include "bridge/listen_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include "core/base/number.h"

namespace mend::bridge {

std::optional<ListenAddress> ReadListenAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  int64_t port = 0;
  if (colon == std::string::npos || !base::ParseInteger(text.substr(colon + 1), &port) ||
      port < 0 || port > 65535) {
    return std::nullopt;
  }
  std::string host = text.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  ListenAddress out;
  out.host = host;
  sockaddr_in v4 = {};
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    out.loopback = (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
    std::memcpy(&out.address, &v4, sizeof v4);
    return out;
  }
  if (host.size() < 2 || host.front() != '[' || host.back() != ']') return std::nullopt;
  sockaddr_in6 v6 = {};
  if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6.sin6_addr) != 1)
    return std::nullopt;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(static_cast<uint16_t>(port));
  out.loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
  std::memcpy(&out.address, &v6, sizeof v6);
  return out;
}

}  // namespace mend::bridge
