// Strings to the types that keep them as they are, and to the types that name a value.
#include "core/base/utf8.h"
#include "core/plan/typmod.h"
#include "server/convert/convert.h"

namespace mend::convert {
namespace {

struct HexTable {
  int8_t of[256] = {};
  constexpr HexTable() {
    for (int8_t& value : of) value = -1;
    for (int c = 0; c < 10; ++c) of['0' + c] = static_cast<int8_t>(c);
    for (int c = 0; c < 6; ++c) of['a' + c] = of['A' + c] = static_cast<int8_t>(c + 10);
  }
};
constexpr HexTable kHex;

int HexDigit(char c) { return kHex.of[static_cast<unsigned char>(c)]; }

// What uuid_in takes: 32 digits, a hyphen after any group of four, braces around it all.
bool ParseUuid(std::string_view text, unsigned char* bytes) {
  if (text.size() >= 2 && text.front() == '{' && text.back() == '}') {
    text = text.substr(1, text.size() - 2);
  }
  for (int i = 0; i < UUID_LEN; ++i) {
    const int high = text.size() < 2 ? -1 : HexDigit(text[0]),
              low = high < 0 ? -1 : HexDigit(text[1]);
    if (low < 0) return false;
    bytes[i] = static_cast<unsigned char>(high << 4 | low);
    text.remove_prefix(2);
    if (i % 2 == 1 && i < UUID_LEN - 1 && !text.empty() && text[0] == '-') {
      text.remove_prefix(1);
    }
  }
  return text.empty();
}

// How the newer releases print a byte that is no ASCII: a backslash and three octal digits.
std::optional<char> OctalByte(std::string_view text) {
  if (PG_VERSION_NUM < 160000 || text.size() != 4 || text[0] != '\\' || text[1] > '3' ||
      text.find_first_not_of("01234567", 1) != std::string_view::npos) {
    return std::nullopt;
  }
  const auto digit = [&](size_t at) { return text[at] - '0'; };
  return static_cast<char>(digit(1) * 64 + digit(2) * 8 + digit(3));
}

Datum ShortText(const TypeInfo& type, std::string_view text) {
  if (type.oid == CHAROID) {
    return CharGetDatum(text.empty() ? '\0' : text[0]);
  }
  return pg::Call([&] {
    auto* name = static_cast<NameData*>(palloc0(sizeof(NameData)));
    memcpy(NameStr(*name), text.data(), text.size());
    return NameGetDatum(name);
  });
}

std::string TooLong(const TypeInfo& type, int64_t limit) {
  return "value too long for type " + type.name + "(" + std::to_string(limit) + ")";
}

}  // namespace

bool Converter::ToText(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  if (!value.IsScalar()) {
    return BadSyntax(type, value);
  }
  std::string_view text = value.text();
  if (type.type_class == TypeClass::Name) {
    const std::optional<char> byte = type.oid == CHAROID ? OctalByte(text) : std::nullopt;
    if (byte) {
      *out = CharGetDatum(*byte);
      return true;
    }
    const size_t limit = type.oid == CHAROID ? 1 : NAMEDATALEN - 1;
    if (text.size() > limit) {
      return Fail(drift::Kind::TooLong, drift::Cause::TooLong, "22001",
                  "value too long for type " + type.name);
    }
    *out = ShortText(type, text);
    return true;
  }
  size_t blanks = 0;
  if (typmod >= 0 && type.type_class != TypeClass::Text) {
    const auto limit = static_cast<size_t>(plan::CharacterLimit(typmod));
    const bool padded = type.type_class == TypeClass::Bpchar;
    if (padded || text.size() > limit) {
      size_t characters =
          pg_database_encoding_max_length() == 1 ? text.size() : base::CountCharacters(text);
      while (padded && characters > limit &&
             text.back() == ' ') {  // of char(n), no part of the value
        text.remove_suffix(1);
        --characters;
      }
      if (characters > limit) {
        return Fail(drift::Kind::TooLong, drift::Cause::TooLong, "22001",
                    TooLong(type, static_cast<int64_t>(limit)));
      }
      blanks = padded ? limit - characters : 0;
    }
  }
  if (values_) {
    *out = Text(text, blanks);
  }
  return true;
}

bool Converter::ToUuid(const TypeInfo& type, json::Value value, Datum* out) {
  unsigned char bytes[UUID_LEN];
  if (value.kind() != json::Kind::String || !ParseUuid(value.text(), bytes)) {
    return BadSyntax(type, value);
  }
  *out = Bytes(bytes, UUID_LEN);
  return true;
}

bool Converter::ToEnum(const TypeInfo& type, json::Value value, Datum* out) {
  const std::string_view label = value.text();
  bool known = false;
  if (value.IsScalar() && label.size() < NAMEDATALEN) {
    char name[NAMEDATALEN] = {};
    memcpy(name, label.data(), label.size());
    // A label that this transaction has added is refused by enum_in, as INSERT would.
    known = pg::Call([&] {
      if (!SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(type.oid),
                                 CStringGetDatum(name))) {
        return false;
      }
      *out = DirectFunctionCall2(enum_in, CStringGetDatum(name), ObjectIdGetDatum(type.oid));
      return true;
    });
  }
  if (known) {
    return true;
  }
  BadSyntax(type, value);
  fault_.message = "invalid input value for enum " + type.name + ": " + Quote(value);
  return false;
}

}  // namespace mend::convert
