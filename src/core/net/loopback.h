// Which hosts of a URL are this machine itself.
#pragma once

#include <string_view>

namespace mend::net {

// "localhost", 127.0.0.0/8 as four decimal numbers, "::1" with or without brackets.
bool IsLoopbackHost(std::string_view host);

}  // namespace mend::net
