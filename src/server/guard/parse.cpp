#include "server/guard/parse.h"

#include "core/base/utf8.h"

namespace mend::guard {
namespace {

constexpr size_t kMaxDdlBytes = 64 * 1024;
constexpr size_t kMaxQuotedBytes = 100;
constexpr size_t kMaxMessageBytes = 200;

// Token numbers of the core scanner. PL/pgSQL's grammar, compiled apart, relies on them as well.
constexpr int kIdentifierToken = 258;
constexpr int kUnicodeIdentifierToken = 259;

// Keeps the scanner's NOTICEs and WARNINGs about a text that is only looked at from the client.
class QuietClient {
 public:
  QuietClient() : nest_level_(NewGUCNestLevel()) {
    pg::Call([] {
      set_config_option("client_min_messages", "error", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                        true, 0, false);
    });
  }
  ~QuietClient() { AtEOXact_GUC(true, nest_level_); }
  QuietClient(const QuietClient&) = delete;
  QuietClient& operator=(const QuietClient&) = delete;

 private:
  int nest_level_;
};

bool ContinuesName(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || c == '_' || c == '$' || byte >= 0x80;
}

// Bytes of the identifier that starts here, as written: doubled quotes count once.
size_t NameBytes(const char* start) {
  size_t bytes = 0;
  if (*start != '"') {
    while (ContinuesName(start[bytes])) ++bytes;
    return bytes;
  }
  for (const char* at = start + 1; *at != '\0'; ++at, ++bytes) {
    if (*at != '"') continue;
    if (at[1] != '"') break;
    ++at;
  }
  return bytes;
}

struct Names {
  const char* cut = nullptr;  // the first identifier that is too long
  bool unicode_escapes = false;
};

// The parser cuts a long name silently, so that it meets another: they are found before it runs.
Names ScanNames(const char* text) {
  Names names;
  core_yy_extra_type extra;
  core_yyscan_t scanner = scanner_init(text, &extra, &ScanKeywords, ScanKeywordTokens);
  core_YYSTYPE value;
  YYLTYPE location = 0;
  for (int token = core_yylex(&value, &location, scanner); token != 0;
       token = core_yylex(&value, &location, scanner)) {
    names.unicode_escapes = names.unicode_escapes || token == kUnicodeIdentifierToken;
    if (token == kIdentifierToken && names.cut == nullptr &&
        NameBytes(text + location) >= NAMEDATALEN) {
      names.cut = text + location;
    }
  }
  scanner_finish(scanner);
  return names;
}

std::string Describe(const pg::Error& error) {
  std::string reason =
      "it does not parse: " + std::string(base::CutUtf8(error.fields().message, kMaxMessageBytes));
  if (error.fields().position > 0) {
    reason += ", at character " + std::to_string(error.fields().position);
  }
  return reason;
}

Refusal WhyNotReadable(std::string_view ddl) {
  if (ddl.size() > kMaxDdlBytes) {
    return "the text has " + std::to_string(ddl.size()) + " bytes; at most " +
           std::to_string(kMaxDdlBytes) + " are read";
  }
  const bool valid = ddl.find('\0') == std::string_view::npos && pg::Call([&] {
                       return pg_verify_mbstr(GetDatabaseEncoding(), ddl.data(),
                                              static_cast<int>(ddl.size()), true);
                     });
  if (!valid) {
    return "the text is not valid in the database's encoding";
  }
  return std::nullopt;
}

Refusal Parse(const char* ddl, List** statements) {
  Names names;
  QuietClient quiet;
  const std::optional<pg::Error> error = pg::Attempt([&] {
    names = pg::Call([&] { return ScanNames(ddl); });
    *statements = pg::Call([&] { return raw_parser(ddl, RAW_PARSE_DEFAULT); });
  });
  if (error) {
    return Describe(*error);
  }
  if (names.unicode_escapes) {
    return "names are written plainly here, without U& escapes";
  }
  if (names.cut != nullptr) {
    return "the name that starts " + Quote(std::string_view(names.cut).substr(0, 24)) +
           " is longer than " + std::to_string(NAMEDATALEN - 1) +
           " bytes: PostgreSQL would cut it silently";
  }
  return std::nullopt;
}

}  // namespace

std::string Quote(std::string_view text) {
  const std::string_view kept = base::CutUtf8(text, kMaxQuotedBytes);
  return '"' + std::string(kept) + (kept.size() < text.size() ? "...\"" : "\"");
}

namespace {

bool TakeEnums(const List* statements, std::vector<const AlterEnumStmt*>* enums) {
  const ListCell* cell;
  foreach (cell, statements) {
    const auto* raw = static_cast<const RawStmt*>(lfirst(cell));
    if (!IsA(raw, RawStmt) || raw->stmt == nullptr || !IsA(raw->stmt, AlterEnumStmt)) {
      enums->clear();
      return false;
    }
    enums->push_back(reinterpret_cast<const AlterEnumStmt*>(raw->stmt));
  }
  return !enums->empty();
}

}  // namespace

Refusal ParsePatch(std::string_view ddl, Parsed* parsed) {
  if (Refusal why = WhyNotReadable(ddl)) {
    return why;
  }
  const std::string text(ddl);
  List* statements = NIL;
  if (Refusal why = Parse(text.c_str(), &statements)) {
    return why;
  }
  if (TakeEnums(statements, &parsed->enums)) {
    return std::nullopt;
  }
  if (list_length(statements) != 1) {
    return "exactly one ALTER TABLE statement is allowed, this is " +
           (statements == NIL ? std::string("none") : std::to_string(list_length(statements)));
  }
  auto* raw = static_cast<RawStmt*>(linitial(statements));
  const Node* node = raw->stmt;
  if (!IsA(raw, RawStmt) || node == nullptr || !IsA(node, AlterTableStmt)) {
    const char* tag =
        pg::Call([&] { return GetCommandTagName(CreateCommandTag(reinterpret_cast<Node*>(raw))); });
    const std::string other =
        std::string_view(tag) == "ALTER TABLE" ? "another form of ALTER TABLE" : tag;
    return "only ALTER TABLE with ADD COLUMN or ALTER COLUMN is allowed, this is " + other;
  }
  parsed->table = reinterpret_cast<const AlterTableStmt*>(node);
  return std::nullopt;
}

}  // namespace mend::guard
