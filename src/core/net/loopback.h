// Which hosts of a URL are this machine itself, or belong to it.
#pragma once

#include <string_view>

namespace mend::net {

// "localhost", 127.0.0.0/8 as four decimal numbers, "::1" with or without brackets.
bool IsLoopbackHost(std::string_view host);

// 169.254.0.0/16 and fd00:ec2::/32, where cloud machines find their metadata.
bool IsMetadataHost(std::string_view host);

}  // namespace mend::net
