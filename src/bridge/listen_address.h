// Where to listen.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>

namespace mend::bridge {

struct ListenAddress {
  sockaddr_storage address = {};
  std::string host;       // as a client writes it in Host: an IPv6 address in brackets
  bool loopback = false;  // only this machine can reach it
};

// HOST:PORT, where HOST is an address or localhost. nullopt when it is none.
std::optional<ListenAddress> ReadListenAddress(const std::string& text);

}  // namespace mend::bridge
