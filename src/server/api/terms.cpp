#include "server/api/terms.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "core/base/json_pointer.h"
#include "core/base/json_writer.h"
#include "core/plan/hint.h"
#include "core/plan/patch.h"
#include "core/reading/reading.h"
#include "server/api/arguments.h"
#include "server/guard/check.h"
#include "server/guard/healer.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"
#include "server/table/shape.h"

namespace mend::api {
namespace {

[[noreturn]] void Invalid(const std::string& message, const char* hint) {
  throw pg::Error(ERRCODE_INVALID_PARAMETER_VALUE, message, std::string(hint));
}

// "a, b or c".
std::string Listed(const std::vector<std::string_view>& words) {
  std::string list;
  for (size_t i = 0; i < words.size(); ++i) {
    list.append(i == 0 ? "" : i + 1 == words.size() ? " or " : ", ").append(words[i]);
  }
  return list;
}

void CheckLabel(const char* term, const std::string& value,
                const std::vector<std::string_view>& known) {
  if (std::find(known.begin(), known.end(), value) == known.end()) {
    throw pg::Error(ERRCODE_INVALID_PARAMETER_VALUE,
                    std::string(term) + " has no value \"" + value + "\"",
                    "It takes " + Listed(known) + ".");
  }
}

void CheckActions(const std::vector<std::string>& actions) {
  std::vector<std::string_view> known;
  for (const plan::ActionKind kind : plan::AllActions()) {
    known.push_back(plan::Name(kind));
  }
  std::set<std::string> seen;
  for (const std::string& action : actions) {
    CheckLabel("allow", action, known);
    if (!seen.insert(action).second) {
      Invalid("action \"" + action + "\" is named twice in allow", "Name each action once.");
    }
  }
}

// Two or more names joined by dots: what PostgreSQL takes as a setting of somebody else's.
bool IsCustomName(const std::string& name) {
  bool dotted = false;
  bool at_start = true;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '.') {
      if (at_start) return false;
      dotted = true;
      at_start = true;
      continue;
    }
    const bool letter = std::isalpha(byte) != 0 || c == '_' || byte >= 0x80;
    if (!letter && (at_start || (std::isdigit(byte) == 0 && c != '$'))) return false;
    at_start = false;
  }
  return dotted && !at_start;
}

// Settings that a user may set, but that belong to the session or the transaction of whoever
// replays, not to the row.
bool BelongsToSession(const std::string& name) {
  return name.rfind("transaction_", 0) == 0 || name.rfind("mend.", 0) == 0 ||
         name == "client_encoding" || name == "exit_on_error" ||
         (name.size() > 8 && name.compare(name.size() - 8, 8, "_timeout") == 0);
}

void CheckSetting(const std::string& setting) {
  std::string name = setting;
  for (char& c : name) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  const char* hint =
      "carry takes settings that the submitter could set with SET, such as app.tenant_id.";
  if (BelongsToSession(name)) {
    Invalid("setting \"" + setting + "\" cannot be carried", hint);
  }
  const pg::Rows known = pg::RunPrepared(
      "SELECT context FROM pg_catalog.pg_settings WHERE pg_catalog.lower(name) = $1",
      {pg::Text(std::string_view(name))});
  if (known.empty() ? !IsCustomName(name) : known.text(0, 0) != "user") {
    Invalid("setting \"" + setting + "\" cannot be carried", hint);
  }
}

void CheckCarry(const std::vector<std::string>& carry) {
  std::set<std::string> seen;
  for (const std::string& setting : carry) {
    CheckSetting(setting);
    if (!seen.insert(setting).second) {
      Invalid("setting \"" + setting + "\" is named twice in carry", "Name each setting once.");
    }
  }
}

void CheckNullIf(const std::vector<std::string>& words) {
  if (words.size() > reading::kMaxWords) {
    Invalid("null_if has more than " + std::to_string(reading::kMaxWords) + " texts",
            "mend.read_as() says it of one column.");
  }
  std::set<std::string> seen;
  for (const std::string& word : words) {
    if (word.size() > reading::kMaxWordBytes) {
      Invalid(
          "a text in null_if is longer than " + std::to_string(reading::kMaxWordBytes) + " bytes",
          "null_if takes the texts that stand for nothing, such as '' and 'N/A'.");
    }
    if (!seen.insert(word).second) {
      Invalid("\"" + word + "\" is named twice in null_if", "Name each text once.");
    }
  }
}

std::string KnownZone(const std::string& zone) {
  const char* name = pg::Call([&]() -> const char* {
    pg_tz* found = pg_tzset(zone.c_str());
    return found != nullptr && pg_tz_acceptable(found) ? pg_get_timezone_name(found) : nullptr;
  });
  if (name == nullptr) {
    Invalid("time zone \"" + zone + "\" is not known", "SELECT name FROM pg_timezone_names;");
  }
  return name;
}

void CheckPlace(const std::string& at) {
  std::string why;
  if (!json::Pointer::Parse(at, &why)) {
    throw pg::Error(ERRCODE_INVALID_PARAMETER_VALUE, "at takes a JSON Pointer (RFC 6901)",
                    std::string("Write a place such as /data/object or /records/0, with ~1 for a "
                                "slash in a key and ~0 for a tilde."),
                    why + ".");
  }
}

[[noreturn]] void InvalidHint(const std::string& message, const std::string& detail) {
  throw pg::Error(ERRCODE_INVALID_PARAMETER_VALUE, message,
                  std::string("hints names types for new columns by patterns of their names: "
                              "{\"*_at\": \"timestamptz\", \"price\": \"numeric(12,2)\"}."),
                  detail);
}

// The same object, with types as PostgreSQL prints them.
std::string CheckedHints(const std::string& text) {
  json::Document document;
  if (document.Parse(text) || document.root().kind() != json::Kind::Object) {
    InvalidHint("hints must be a JSON object", "It is none.");
  }
  const json::Value object = document.root();
  if (object.token().size > plan::kMaxHints) {
    InvalidHint("hints has too many patterns",
                "It takes " + std::to_string(plan::kMaxHints) + " at most.");
  }
  json::Writer checked;
  checked.Object();
  for (json::Value key = object.First(); key; key = object.After(key)) {
    const std::string pattern(key.text());
    if (pattern.empty() || pattern.size() > plan::kMaxHintBytes) {
      InvalidHint("a pattern in hints is " + std::string(pattern.empty() ? "empty" : "too long"),
                  "It has from 1 to " + std::to_string(plan::kMaxHintBytes) + " bytes.");
    }
    const json::Value value = object.ValueOf(key);
    if (value.kind() != json::Kind::String) {
      InvalidHint("the hint for \"" + pattern + "\" must be the name of a type",
                  "It is no JSON string.");
    }
    std::string why;
    const std::optional<plan::Type> type = guard::TypeFromText(value.text(), &why);
    if (!type) {
      InvalidHint("the hint for \"" + pattern + "\" is no type for a column", why + ".");
    }
    const char* printed =
        pg::Call([&] { return format_type_with_typemod(type->oid, type->typmod); });
    checked.String(pattern, printed);
  }
  return checked.Close().Take();
}

}  // namespace

Terms ReadTerms(FunctionCallInfo call) {
  Terms terms;
  terms.mode = TextArgument(call, 1);
  terms.allow = TextArrayArgument(call, 2, "allow");
  terms.healer = OidArgument(call, 3);
  terms.share = TextArgument(call, 4);
  terms.lossless = BoolArgument(call, 5);
  terms.on_conflict = TextArgument(call, 6);
  terms.carry = TextArrayArgument(call, 7, "carry");
  terms.naive_zone = TextArgument(call, 8);
  terms.allow_published = BoolArgument(call, 9);
  terms.rescue = NameArgument(call, 10);
  if (const std::optional<std::string> hints = JsonbArgument(call, call->nargs - 3)) {
    terms.hints = CheckedHints(*hints);
  }
  terms.null_if = TextArrayArgument(call, call->nargs - 4, "null_if");
  terms.at = TextArgument(call, call->nargs - 2);
  terms.online = BoolArgument(call, 11);
  terms.newer_by = NameArgument(call, call->nargs - 1);
  if (terms.allow) CheckActions(*terms.allow);
  if (terms.mode) CheckLabel("mode", *terms.mode, {"auto", "review", "paused"});
  if (terms.share) CheckLabel("share", *terms.share, {"shape", "values"});
  if (terms.on_conflict) {
    CheckLabel("on_conflict", *terms.on_conflict, {"dead_letter", "ignore", "update", "raise"});
  }
  if (terms.at) CheckPlace(*terms.at);
  if (terms.carry) CheckCarry(*terms.carry);
  if (terms.null_if) CheckNullIf(*terms.null_if);
  if (terms.naive_zone && !terms.naive_zone->empty())
    terms.naive_zone = KnownZone(*terms.naive_zone);
  return terms;
}

void CheckHealer(Oid target, Oid healer) {
  const bool may_become = healer == DefaultHealer() || pg::Call([&] {
#if PG_VERSION_NUM >= 160000
                            return member_can_set_role(GetUserId(), healer);
#else
                            return is_member_of_role(GetUserId(), healer);
#endif
                          });
  char* name = pg::Call([&] { return GetUserNameFromId(healer, true); });
  if (name == nullptr) {
    throw pg::Error(ERRCODE_UNDEFINED_OBJECT,
                    "role with OID " + std::to_string(healer) + " does not exist");
  }
  if (!may_become) {
    throw pg::Error(ERRCODE_INSUFFICIENT_PRIVILEGE,
                    std::string("must be able to SET ROLE \"") + name + "\"",
                    std::string("The default healer, mend_healer, needs no membership."));
  }
  guard::LetIntoSchema(healer, target);
  if (const std::optional<std::string> why = guard::WhyUnfit(healer, target)) {
    throw pg::Error(
        ERRCODE_INSUFFICIENT_PRIVILEGE,
        std::string("role \"") + name + "\" may not heal this table",
        std::string("Name a role without rights of its own, such as the default, mend_healer."),
        *why);
  }
}

void CheckNewerBy(Oid target, const std::string& column) {
  const Oid type = pg::Call([&] {
    const AttrNumber number = get_attnum(target, column.c_str());
    return number > 0 ? get_atttype(target, number) : InvalidOid;
  });
  if (!OidIsValid(type)) {
    throw pg::Error(ERRCODE_UNDEFINED_COLUMN, "the table has no column \"" + column + "\"",
                    std::string("newer_by names the column that says which row is newer."));
  }
  const bool ordered = pg::Call(
      [&] { return OidIsValid(lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf); });
  if (!ordered) {
    Invalid("the values of column \"" + column + "\" have no order", "Name another column.");
  }
}

void CheckKeyForUpdate(Oid target) {
  const pg::Rows key = pg::RunPrepared(
      "SELECT FROM pg_catalog.pg_index WHERE indrelid = $1 AND indisprimary AND indisvalid AND "
      "indimmediate",
      {pg::ObjectId(target)});
  if (key.empty()) {
    Invalid("on_conflict 'update' needs a primary key that is not deferrable",
            "Add a primary key, or choose dead_letter, ignore or raise.");
  }
}

void CheckRescueColumn(Oid target, const std::string& column) {
  const std::string table = pg::QualifiedName(target), quoted = pg::QuoteIdentifier(column);
  const std::optional<plan::Shape> shape = table::LoadShape(target);
  const plan::Column* found = shape ? shape->Find(column) : nullptr;
  if (found == nullptr) {
    throw pg::Error(ERRCODE_UNDEFINED_COLUMN, "the table has no column \"" + column + "\"",
                    "ALTER TABLE " + table + " ADD COLUMN " + quoted + " jsonb;");
  }
  if (found->type.oid != plan::type_oid::kJsonb) {
    throw pg::Error(ERRCODE_DATATYPE_MISMATCH,
                    "column \"" + column + "\" is " + found->type_text + ", not jsonb",
                    std::string("Name a nullable jsonb column of its own: ALTER TABLE ") + table +
                        " ADD COLUMN _rescued jsonb;");
  }
  if (found->not_null || found->has_default || found->generated != plan::Generated::No) {
    throw pg::Error(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    "column \"" + column + "\" cannot be empty",
                    "ALTER TABLE " + table + " ALTER COLUMN " + quoted +
                        " DROP NOT NULL, ALTER COLUMN " + quoted + " DROP DEFAULT;");
  }
}

Oid DefaultHealer() {
  const Oid healer = pg::Call([] { return get_role_oid("mend_healer", true); });
  if (!OidIsValid(healer)) {
    throw pg::Error(ERRCODE_UNDEFINED_OBJECT, "role \"mend_healer\" does not exist",
                    std::string("CREATE ROLE mend_healer NOLOGIN;"));
  }
  return healer;
}

}  // namespace mend::api
