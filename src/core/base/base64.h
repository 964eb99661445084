// Base64 (RFC 4648).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mend::base {

// The URL-safe alphabet, without padding.
std::string EncodeBase64Url(std::string_view bytes);

// Takes either alphabet, with or without padding; nullopt for anything else.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace mend::base
