// Pages of rows: opaque cursors, and objects cut off at a limit of rows or bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/mcp/arguments.h"

namespace mend::mcp {

// What one result may hold: agents are shown about four bytes a token, and cut at 25 000 tokens.
inline constexpr size_t kMaxPageBytes = 40'000;
inline constexpr size_t kMaxObjectBytes = 200'000;

// What the database answers.
struct Row {
  std::string key;
  std::string object;                  // JSON
  std::optional<std::string> refusal;  // why the call is an error though it was served
};

// A cursor stands for the last row that was shown of one service.
std::string MakeCursor(const Service& service, std::string_view key);
// The key; nullopt when it is no cursor of that service.
std::optional<std::string> ReadCursor(const Service& service, std::string_view cursor);

// The rows that a page shows (at most work.limit, fewer when their bytes are too many, at least
// one), and the cursor behind them when there are more.
struct Page {
  size_t shown = 0;
  std::optional<std::string> next_cursor;
};
Page CutPage(const Work& work, const std::vector<Row>& rows);

// One object for the client: the row's own, or {<list name>: [...], next_cursor}. On one line,
// valid UTF-8. An Error when there is no row, when the row is a refusal, or when it is too large.
base::Result<std::string> MakeResult(const Work& work, const std::vector<Row>& rows);

}  // namespace mend::mcp
