// What Claude is told: a system prompt that never changes, and the case as data in a marked block.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/drift/drift.h"
#include "core/plan/planner.h"
#include "core/plan/shape.h"

namespace mend::plan::claude {

// What of the data may leave the database.
enum class Share : uint8_t {
  Shape,   // masks, lengths, counts: never a value
  Values,  // also a few truncated samples of the drifting fields
};

// A patch that was refused before, by an earlier round or by another model.
struct Refused {
  std::string ddl;  // as that model wrote it
  std::vector<FieldMapping> field_map;
  std::string reason;  // ours; the caller sees to it that it quotes no value
};

// How many payloads bring a new field and lack a required column: evidence of a rename.
struct Together {
  std::string field;
  std::string column;
  int64_t rows = 0;
};

struct Case {
  const Shape* shape = nullptr;
  const drift::DriftSet* drift = nullptr;  // what a patch can heal; other kinds are not shown
  const Policy* policy = nullptr;
  int64_t max_rewrite_bytes = 0;  // 0: no limit
  Share share = Share::Shape;
  std::vector<Together> together;
  // JSON texts of values under a field, as payloads brought them. In Shape mode only their masks
  // are written, in Values mode they are, cut.
  std::map<std::string, std::vector<std::string>> samples;
  std::vector<Refused> history;
};

struct Prompt {
  std::string system;  // the same bytes for every case
  std::string user;
  // Names that were too long to be shown in full: as shown, and in truth.
  std::map<std::string, std::string> shortened;

  // The field that a name in an answer means.
  const std::string& FieldOf(const std::string& shown) const;
};

Prompt MakePrompt(const Case& input);

std::string_view SystemPrompt();

// The text between these lines of the user's turn is data. Its strings hold no '<' unescaped, so
// that nothing in it can end the block.
inline constexpr std::string_view kBlockBegin = "<untrusted_data>";
inline constexpr std::string_view kBlockEnd = "</untrusted_data>";

inline constexpr size_t kMaxNameBytes = 120;
inline constexpr size_t kMaxSampleBytes = 60;
inline constexpr size_t kMaxSamples = 3;
inline constexpr size_t kMaxDrifts = 200;  // the rest is counted, and left for the next round
inline constexpr size_t kMaxHistory = 5;   // the latest

// JSON string: as json::AppendQuoted, but pure ASCII where a character is invisible, turns the
// direction of text, or is '<', '>' or '&'.
void AppendPlain(std::string* out, std::string_view text);

}  // namespace mend::plan::claude
