#include "core/mcp/page.h"

#include "core/base/base64.h"
#include "core/base/json_writer.h"
#include "core/base/number.h"

namespace mend::mcp {
namespace {

// Without the white space between tokens: it costs an agent's attention, and a line break would
// break the framing of stdio. In a string, line breaks are escaped.
std::string Compact(const std::string& json) {
  std::string out;
  out.reserve(json.size());
  bool quoted = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (!quoted && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) continue;
    out += c;
    if (quoted && c == '\\' && i + 1 < json.size()) out += json[++i];
    if (c == '"') quoted = !quoted;
  }
  return out;
}

bool IsObject(const std::string& text) {
  json::Document document;
  return !document.Parse(text) && document.root().kind() == json::Kind::Object;
}

base::Result<std::string> OneObject(const Row& row) {
  if (row.object.size() > kMaxObjectBytes) {
    return base::Error{"54000",
                       "the result is larger than " + std::to_string(kMaxObjectBytes) + " bytes",
                       "Look at it in SQL."};
  }
  if (!IsObject(row.object)) {
    return base::Error{"22P05", "the result cannot be shown as JSON in UTF-8",
                       "Look at it in SQL."};
  }
  return Compact(row.object);
}

}  // namespace

std::string MakeCursor(const Service& service, std::string_view key) {
  return base::EncodeBase64Url(std::string(service.name) + ':' + std::string(key));
}

std::optional<std::string> ReadCursor(const Service& service, std::string_view cursor) {
  const auto text = base::DecodeBase64(cursor);
  const std::string prefix = std::string(service.name) + ':';
  if (!text || text->compare(0, prefix.size(), prefix) != 0) return std::nullopt;
  std::string key = text->substr(prefix.size());
  int64_t number;
  if (!base::ParseInteger(key, &number) || number < 0) return std::nullopt;
  return key;
}

Page CutPage(const Work& work, const std::vector<Row>& rows) {
  Page page;
  size_t bytes = 0;
  while (page.shown < rows.size() && page.shown < static_cast<size_t>(work.limit)) {
    bytes += rows[page.shown].object.size();
    if (page.shown > 0 && bytes > kMaxPageBytes) break;
    ++page.shown;
  }
  if (page.shown > 0 && page.shown < rows.size()) {
    page.next_cursor = MakeCursor(*work.service, rows[page.shown - 1].key);
  }
  return page;
}

base::Result<std::string> MakeResult(const Work& work, const std::vector<Row>& rows) {
  if (work.service->form == ResultForm::One) {
    if (rows.empty()) {
      return base::Error{"42704", "there is no such object", "The list tools show what there is."};
    }
    if (work.service->refuses && rows.front().refusal) {
      return base::Error{"42501", *rows.front().refusal,
                         "Propose another patch, or leave it to a person."};
    }
    return OneObject(rows.front());
  }
  const Page page = CutPage(work, rows);
  json::Writer out;
  out.Object().Key(work.service->list_name).Array();
  for (size_t i = 0; i < page.shown; ++i) {
    auto object = OneObject(rows[i]);
    if (!object) return object;
    out.Raw(*object);
  }
  out.Close().Key("next_cursor");
  page.next_cursor ? out.String(*page.next_cursor) : out.Null();
  return out.Close().Take();
}

}  // namespace mend::mcp
