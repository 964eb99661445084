#include "core/tools/input.h"

#include <initializer_list>

#include "core/base/json_member.h"
#include "core/base/utf8.h"

namespace mend::tools {
namespace {

base::Error Invalid(std::string message) { return {"22023", std::move(message), ""}; }

// Exactly these members, each once; the message says what is wrong, empty when nothing is.
std::string WhyNotExactly(json::Value object, std::string_view what,
                          const std::vector<std::string_view>& names) {
  if (!object || object.kind() != json::Kind::Object)
    return std::string(what) + " must be an object";
  size_t members = 0;
  for (json::Value key = object.First(); key; key = object.After(key)) ++members;
  for (std::string_view name : names) {
    if (!json::Member(object, name)) return std::string(what) + " lacks " + std::string(name);
  }
  if (members != names.size()) return std::string(what) + " has a member that the schema does not";
  return {};
}

std::string Readable(std::string_view text) {
  std::string out(base::CutUtf8(text, kMaxRationaleBytes));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return out;
}

// Adds one mapping; says what is wrong with it, if anything.
std::string TakeMapping(json::Value entry, PatchInput* patch) {
  if (std::string why = WhyNotExactly(entry, "an entry of field_map", {"field", "column"});
      !why.empty()) {
    return why;
  }
  const auto field = json::StringMember(entry, "field");
  const json::Value column = json::Member(entry, "column");
  const bool null = column.kind() == json::Kind::Null;
  if (!field || (!null && column.kind() != json::Kind::String)) {
    return "in field_map, field must be a string, and column a string or null";
  }
  for (const auto& [known, unused] : patch->field_map) {
    if (known == *field) return "field_map names a field twice";
  }
  if (patch->field_map.size() >= kMaxMappings) {
    return "field_map has more than " + std::to_string(kMaxMappings) + " entries";
  }
  patch->field_map.emplace_back(*field,
                                null ? std::nullopt : std::optional<std::string>(column.text()));
  return {};
}

// The same for one reading.
std::string TakeReading(json::Value entry, PatchInput* patch) {
  if (std::string why =
          WhyNotExactly(entry, "an entry of readings", {"field", "column", "reading"});
      !why.empty()) {
    return why;
  }
  const auto field = json::StringMember(entry, "field");
  const auto column = json::StringMember(entry, "column");
  const auto reading = json::StringMember(entry, "reading");
  if (!field || !column || !reading) {
    return "in readings, field, column and reading must be strings";
  }
  if (reading->size() > kMaxReadingBytes) {
    return "a reading is longer than " + std::to_string(kMaxReadingBytes) + " bytes";
  }
  for (const ReadingInput& known : patch->readings) {
    if (known.column == *column && known.field == *field) {
      return "readings names a field and column twice";
    }
  }
  if (patch->readings.size() >= kMaxMappings) {
    return "readings has more than " + std::to_string(kMaxMappings) + " entries";
  }
  patch->readings.push_back({std::string(*field), std::string(*column), std::string(*reading)});
  return {};
}

}  // namespace

base::Result<PatchInput> ReadPatchInput(json::Value input, PatchInputOf whose) {
  const bool client = whose == PatchInputOf::Client;
  const bool mapped = !client || json::Member(input, "field_map");
  const bool read = static_cast<bool>(json::Member(input, "readings"));
  std::vector<std::string_view> members = {"ddl", "rationale"};
  if (client) members.push_back("table");
  if (mapped) members.push_back("field_map");
  if (read) members.push_back("readings");
  std::string why = WhyNotExactly(input, "the input", members);
  if (!why.empty()) return Invalid(std::move(why));
  const auto ddl = json::StringMember(input, "ddl");
  const auto rationale = json::StringMember(input, "rationale");
  const json::Value field_map = json::ArrayMember(input, "field_map");
  const json::Value readings = json::ArrayMember(input, "readings");
  if (!ddl || !rationale || (mapped && !field_map) || (read && !readings)) {
    return Invalid("ddl and rationale must be strings, and field_map and readings arrays");
  }
  if (ddl->size() > kMaxDdlBytes) {
    return Invalid("ddl is longer than " + std::to_string(kMaxDdlBytes) + " bytes");
  }
  PatchInput patch;
  patch.ddl = *ddl;
  patch.rationale = Readable(*rationale);
  for (json::Value entry = field_map ? field_map.First() : json::Value(); entry;
       entry = field_map.After(entry)) {
    why = TakeMapping(entry, &patch);
    if (!why.empty()) return Invalid(std::move(why));
  }
  for (json::Value entry = readings ? readings.First() : json::Value(); entry;
       entry = readings.After(entry)) {
    why = TakeReading(entry, &patch);
    if (!why.empty()) return Invalid(std::move(why));
  }
  const bool no_ddl = patch.ddl.find_first_not_of(" \t\r\n") == std::string::npos;
  if (no_ddl) patch.ddl.clear();
  if (no_ddl && patch.field_map.empty() && patch.readings.empty()) {
    return Invalid("ddl, field_map and readings are all empty: that patches nothing");
  }
  return patch;
}

base::Result<std::string> ReadGiveUpInput(json::Value input) {
  if (std::string why = WhyNotExactly(input, "the input", {"reason"}); !why.empty()) {
    return Invalid(std::move(why));
  }
  const auto reason = json::StringMember(input, "reason");
  if (!reason) return Invalid("reason must be a string");
  return Readable(*reason);
}

}  // namespace mend::tools
