#include "core/net/transport.h"

#include <iterator>

namespace mend::net {
namespace {

// In the order of Phase.
constexpr std::string_view kPhases[] = {
    "resolving the name",    "connecting",           "agreeing on TLS", "sending the request",
    "waiting for an answer", "receiving the answer",
};
static_assert(std::size(kPhases) == static_cast<size_t>(Phase::Receive) + 1);

}  // namespace

std::string_view Name(Phase phase) { return kPhases[static_cast<size_t>(phase)]; }

const std::string* FindHeader(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace mend::net
