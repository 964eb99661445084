#include "core/mcp/address.h"

#include <cctype>

#include "core/base/number.h"
#include "core/base/utf8.h"

namespace mend::mcp {
namespace {

constexpr std::string_view kTablePrefix = "mend://table/";
constexpr std::string_view kPatchPrefix = "mend://patch/";
constexpr std::string_view kHex = "0123456789ABCDEF";

bool TakePrefix(std::string_view prefix, std::string_view* text) {
  if (text->substr(0, prefix.size()) != prefix) return false;
  text->remove_prefix(prefix.size());
  return true;
}

int HexDigit(char c) {
  const size_t at = kHex.find(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

// One segment of a path; empty when it is not one, or not a name that PostgreSQL could have.
std::string Decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
    if (low < 0 || high * 16 + low == 0) return {};
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return base::ValidUtf8Prefix(out) == out.size() && out.size() <= 300 ? out : std::string();
}

std::string Encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && (std::isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~')) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 0xF]};
    }
  }
  return out;
}

std::string Quote(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

}  // namespace

std::optional<Address> ReadAddress(std::string_view uri) {
  Address address;
  if (uri == kSummaryAddress) return address;
  if (TakePrefix(kPatchPrefix, &uri)) {
    address.kind = Address::Kind::Patch;
    if (!base::ParseInteger(uri, &address.patch_id) || address.patch_id < 1) return std::nullopt;
    return address;
  }
  if (!TakePrefix(kTablePrefix, &uri)) return std::nullopt;
  const size_t slash = uri.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string schema = Decode(uri.substr(0, slash));
  const std::string table = Decode(uri.substr(slash + 1));
  if (schema.empty() || table.empty()) return std::nullopt;
  address.kind = Address::Kind::Table;
  address.table = Quote(schema) + '.' + Quote(table);
  return address;
}

std::string TableAddress(std::string_view schema, std::string_view table) {
  return std::string(kTablePrefix) + Encode(schema) + '/' + Encode(table);
}

}  // namespace mend::mcp
