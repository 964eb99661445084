// A backend of values, and questions to a server, for tests of the protocol.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/json_member.h"
#include "core/mcp/server.h"
#include "core/tools/registry.h"

namespace mend::test {

class FakeBackend : public mcp::Backend {
 public:
  base::Result<std::vector<mcp::Row>> Run(const mcp::Work& work) override {
    ran.push_back(work);
    if (failure) return *failure;
    return rows;
  }
  base::Result<std::vector<bool>> Allowed() override {
    if (failure) return *failure;
    return allowed;
  }
  void Record(const mcp::CallRecord& record) override { records.push_back(record); }
  int64_t Milliseconds() override { return clock += 5; }

  std::vector<mcp::Row> rows;
  std::optional<base::Error> failure;
  std::vector<bool> allowed = std::vector<bool>(tools::kToolCount, true);
  std::vector<mcp::Work> ran;
  std::vector<mcp::CallRecord> records;
  int64_t clock = 0;
};

inline constexpr const char* kModernMeta =
    R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}})";

// What a server answers to one message, parsed; fails the test unless it is one line of JSON.
class Reply {
 public:
  Reply(mcp::Backend* backend, const std::string& text, std::string_view header = {}) {
    const mcp::Message message(text);
    answer = mcp::Server(backend, "1.2.3").Handle(message, header);
    EXPECT_EQ(answer.text.find('\n'), std::string::npos);
    if (answer.text.empty()) return;
    EXPECT_FALSE(document.Parse(answer.text)) << answer.text;
  }
  json::Value result() const { return json::ObjectMember(document.root(), "result"); }
  json::Value error() const { return json::ObjectMember(document.root(), "error"); }
  int64_t code() const { return json::IntegerMember(error(), "code").value_or(0); }

  mcp::Answer answer;
  json::Document document;
};

inline std::string Request(const std::string& method, const std::string& params = "{}") {
  return R"({"jsonrpc":"2.0","id":7,"method":")" + method + R"(","params":)" + params + "}";
}
inline std::string Modern(const std::string& method, const std::string& members = "") {
  return Request(method,
                 std::string("{") + kModernMeta + (members.empty() ? "" : ",") + members + "}");
}

}  // namespace mend::test
