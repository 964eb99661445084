#include "core/plan/claude/prompt.h"

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/invisible.h"
#include "core/base/json_writer.h"
#include "core/base/utf8.h"
#include "core/drift/mask.h"
#include "core/plan/lattice.h"

namespace mend::plan::claude {
namespace {

using drift::Drift;
using drift::Format;
using drift::Kind;
using json::Writer;

constexpr size_t kMaxReasonBytes = 1000;
constexpr size_t kMaxRefusedDdlBytes = 2000;
constexpr size_t kMaxColumns = 1600;
constexpr size_t kTagDigits = 8;

// Shown as \uXXXX: controls, invisible and direction-turning characters, and what a marker has.
bool IsEscaped(char32_t c) {
  return c == '<' || c == '>' || c == '&' || (c >= 0x7F && c <= 0x9F) || base::IsInvisible(c) ||
         (c >= 0xE000 && c <= 0xF8FF) || c >= 0xE0000;
}

void AppendUnit(std::string* out, unsigned unit) {
  constexpr char kHex[] = "0123456789abcdef";
  *out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) *out += kHex[(unit >> shift) & 15];
}

bool IsShown(Kind kind) { return !drift::IsFinal(kind) && kind != Kind::NoPartition; }

// The document, written part by part.
class Document {
 public:
  explicit Document(const Case& input) : input_(input) {}

  Prompt Write() {
    out_.Object();
    WriteTable();
    WriteDrift();
    WriteRenames();
    WritePolicy();
    WriteHistory();
    out_.Close();
    prompt_.system = SystemPrompt();
    prompt_.user = std::string(kBlockBegin) + "\n" + out_.Take() + "\n" + std::string(kBlockEnd) +
                   "\nPropose the patch for this drift.";
    return std::move(prompt_);
  }

 private:
  void WriteTable() {
    const Shape& shape = *input_.shape;
    out_.Key("table").Object();
    Text("schema", shape.schema);
    Text("name", shape.name);
    out_.Number("bytes", shape.total_bytes);
    out_.Key("columns").Array();
    const size_t count = std::min(shape.columns.size(), kMaxColumns);
    for (size_t i = 0; i < count; ++i) WriteColumn(shape.columns[i]);
    out_.Close().Close();
  }

  void WriteColumn(const Column& column) {
    out_.Array();
    Text(column.name);
    Text(column.type_text);
    if (column.not_null) out_.String("required");
    if (column.has_default) out_.String("default");
    if (column.generated == Generated::Computed) {
      out_.String("generated");
    } else if (column.generated != Generated::No) {
      out_.String("identity");
    }
    // What holds it may name other tables: that it is held is enough.
    if (!column.type_locked_by.empty()) out_.String("fixed");
    out_.Close();
  }

  void WriteDrift() {
    size_t shown = 0, left = 0;
    out_.Key("drift").Array();
    for (const Drift& drift : *input_.drift) {
      if (!IsShown(drift.kind)) continue;
      if (shown == kMaxDrifts) {
        ++left;
        continue;
      }
      ++shown;
      WriteOne(drift);
    }
    out_.Close();
    if (left > 0) out_.Number("more_drift_not_shown", static_cast<int64_t>(left));
  }

  void WriteOne(const Drift& drift) {
    out_.Object();
    if (!drift.field.empty()) {
      out_.Key("field");
      Name(drift.field);
    }
    if (!drift.column.empty()) Text("column", drift.column);
    out_.String("kind", drift::Name(drift.kind));
    if (drift.cause != drift::Cause::Unspecified && drift.cause != drift::Cause::NewField) {
      out_.String("cause", drift::Code(drift.cause));
    }
    out_.Number("rows", drift.row_count);
    WriteProfile(drift.profile);
    WriteSamples(drift.field);
    out_.Close();
  }

  // Only what was seen: zeros say nothing and cost tokens.
  void Count(std::string_view name, int64_t count) {
    if (count > 0) out_.Number(name, count);
  }

  void WriteProfile(const drift::Profile& profile) {
    out_.Key("seen").Object();
    Count("absent", profile.absent());
    Count("null", profile.nulls());
    Count("objects", profile.objects());
    Count("arrays", profile.arrays());
    Count("booleans", profile.booleans());
    Count("integers", profile.integers());
    Count("fractions", profile.fractions());
    for (int i = 0; i <= static_cast<int>(Format::Other); ++i) {
      const auto format = static_cast<Format>(i);
      const std::string name = "text_" + std::string(drift::Name(format));
      Count(name, profile.strings(format));
    }
    if (!profile.forms().empty()) {
      out_.Key("readings").Object();
      for (const reading::FormCount& one : profile.forms()) {
        out_.Number(reading::Code(one.form), one.count);
      }
      out_.Close();
    }
    if (profile.max_integer_digits() > 0 || profile.max_scale() > 0) {
      out_.Number("digits", profile.max_integer_digits()).Number("scale", profile.max_scale());
      out_.Number("bits", profile.integer_bits());
    }
    if (profile.strings() > 0) {
      out_.Key("length").Array().Number(profile.min_length()).Number(profile.max_length()).Close();
    }
    out_.Close();
  }

  void WriteSamples(const std::string& field) {
    const auto found = input_.samples.find(field);
    if (field.empty() || found == input_.samples.end()) return;
    const bool values = input_.share == Share::Values;
    std::vector<std::string> written;
    for (const std::string& sample : found->second) {
      json::Document document;
      if (document.Parse(sample)) continue;
      std::string text = values ? Cut(sample, kMaxSampleBytes) : drift::Mask(document.root());
      if (std::find(written.begin(), written.end(), text) != written.end()) continue;
      written.push_back(std::move(text));
      if (written.size() == kMaxSamples) break;
    }
    if (written.empty()) return;
    out_.Key(values ? "samples" : "masks").Array();
    for (const std::string& text : written) Text(text);
    out_.Close();
  }

  void WriteRenames() {
    bool open = false;
    for (const Drift& missing : *input_.drift) {
      const Column* column =
          missing.kind == Kind::MissingRequired ? input_.shape->Find(missing.column) : nullptr;
      if (column == nullptr) continue;
      for (const Drift& fresh : *input_.drift) {
        if (fresh.kind != Kind::NewField || written_renames_ == kMaxDrifts) continue;
        if (!open) out_.Key("rename_candidates").Array();
        open = true;
        WriteRename(fresh, *column);
      }
    }
    if (open) out_.Close();
  }

  void WriteRename(const Drift& fresh, const Column& column) {
    ++written_renames_;
    out_.Object().Key("field");
    Name(fresh.field);
    Text("column", column.name);
    const std::optional<Type> type = WidenFor(column.type, fresh.profile);
    out_.Bool("fits", type && *type == column.type);
    for (const Together& together : input_.together) {
      if (together.field == fresh.field && together.column == column.name) {
        out_.Number("rows_together", together.rows);
      }
    }
    out_.Close();
  }

  void WritePolicy() {
    const Policy& policy = *input_.policy;
    out_.Key("policy").Object().Key("allow").Array();
    for (ActionKind kind : policy.allow) out_.String(plan::Name(kind));
    out_.Close().Number("max_columns", policy.max_columns);
    if (input_.max_rewrite_bytes > 0) {
      out_.Number("max_table_bytes_to_rewrite", input_.max_rewrite_bytes);
    }
    if (!policy.hints.empty()) {
      out_.Key("type_hints").Array();
      for (const Hint& hint : policy.hints) {
        out_.Array();
        Text(hint.pattern);
        Text(hint.type_text);
        out_.Close();
      }
      out_.Close();
    }
    // The reasons are a person's words, and stay here.
    if (!policy.held_fields.empty() || !policy.held_columns.empty()) {
      out_.Key("leave_alone").Array();
      for (const auto& [field, reason] : policy.held_fields) Name(field);
      for (const auto& [column, reason] : policy.held_columns) Text(column);
      out_.Close();
    }
    out_.Close();
  }

  void WriteHistory() {
    const std::vector<Refused>& history = input_.history;
    if (history.empty()) return;
    out_.Key("refused").Array();
    const size_t first = history.size() - std::min(history.size(), kMaxHistory);
    for (size_t i = first; i < history.size(); ++i) {
      out_.Object();
      Text("ddl", Cut(history[i].ddl, kMaxRefusedDdlBytes));
      WriteMappings(history[i].field_map);
      Text("reason", Cut(history[i].reason, kMaxReasonBytes));
      out_.Close();
    }
    out_.Close();
  }

  void WriteMappings(const std::vector<FieldMapping>& mappings) {
    out_.Key("field_map").Array();
    for (size_t i = 0; i < mappings.size() && i < kMaxDrifts; ++i) {
      out_.Object().Key("field");
      Name(mappings[i].field);
      out_.Key("column");
      if (mappings[i].column) {
        Text(*mappings[i].column);
      } else {
        out_.Null();
      }
      out_.Close();
    }
    out_.Close();
  }

  static std::string Cut(const std::string& text, size_t bytes) {
    if (text.size() <= bytes) return text;
    return std::string(base::CutUtf8(text, bytes)) + "...";
  }

  // A field's name; one that is too long is shown as its beginning and a hash of all of it.
  void Name(const std::string& field) {
    if (field.size() <= kMaxNameBytes) return Text(field);
    const std::string tag = base::Hash().Add(field).Hex().substr(0, kTagDigits);
    const std::string shown =
        std::string(base::CutUtf8(field, kMaxNameBytes - kTagDigits - 1)) + "~" + tag;
    prompt_.shortened[shown] = field;
    Text(shown);
  }

  void Text(std::string_view text) {
    std::string quoted;
    AppendPlain(&quoted, text);
    out_.Raw(quoted);
  }
  void Text(std::string_view key, std::string_view text) {
    out_.Key(key);
    Text(text);
  }

  const Case& input_;
  Prompt prompt_;
  Writer out_;
  size_t written_renames_ = 0;
};

}  // namespace

void AppendPlain(std::string* out, std::string_view text) {
  std::string quoted;
  json::AppendQuoted(&quoted, text);
  std::string_view rest = quoted;
  while (!rest.empty()) {
    char32_t c;
    const size_t length = base::DecodeUtf8(rest, &c);
    if (!IsEscaped(c)) {
      out->append(rest, 0, length);
    } else if (c < 0x10000) {
      AppendUnit(out, c);
    } else {
      AppendUnit(out, 0xD800 + ((c - 0x10000) >> 10));
      AppendUnit(out, 0xDC00 + ((c - 0x10000) & 0x3FF));
    }
    rest.remove_prefix(length);
  }
}

const std::string& Prompt::FieldOf(const std::string& shown) const {
  const auto found = shortened.find(shown);
  return found == shortened.end() ? shown : found->second;
}

Prompt MakePrompt(const Case& input) { return Document(input).Write(); }

}  // namespace mend::plan::claude
