// Whatever a client sends, over stdio or HTTP, is answered with one line of JSON or not at all, and
// what reaches the database is arguments, never SQL.
#include <cstdint>
#include <cstdlib>

#include "core/mcp/address.h"
#include "core/mcp/http.h"

using namespace mend;

static void Check(bool holds) {
  if (!holds) std::abort();
}

class FuzzBackend : public mcp::Backend {
 public:
  base::Result<std::vector<mcp::Row>> Run(const mcp::Work& work) override {
    Check(work.service != nullptr);
    Check(!work.table || work.table_place < work.parameters.size());
    Check(work.service->form == mcp::ResultForm::One || work.limit >= 1);
    if (work.parameters.size() % 2 == 1) return base::Error{"42501", "no", ""};
    return std::vector<mcp::Row>{
        {"1", R"({"schema":"s","table":"t","name":"s.t","value":"v"})", {}}};
  }
  base::Result<std::vector<bool>> Allowed() override {
    return std::vector<bool>(tools::kToolCount, true);
  }
  void Record(const mcp::CallRecord& record) override { Check(!record.tool.empty()); }
  int64_t Milliseconds() override { return 0; }
};

static void CheckText(const std::string& text) {
  if (text.empty()) return;
  Check(text.find('\n') == std::string::npos);
  json::Document document;
  Check(!document.Parse(text) && document.root().kind() == json::Kind::Object);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  FuzzBackend backend;
  const mcp::Server server(&backend, "1");
  const mcp::Message message(text);
  const mcp::Answer answer = server.Handle(message);
  Check(answer.text.empty() ==
        (message.kind() == mcp::Kind::Notification || message.kind() == mcp::Kind::Response));
  CheckText(answer.text);

  // The first line is a value for every header, the rest the body.
  const size_t line = text.find('\n');
  const std::string value = text.substr(0, line);
  mcp::HttpHeaders headers = {value, value, value, value, value, value, value, value};
  if (auto refusal = mcp::RefuseHttp({"0123456789abcdef", {}}, value, value, headers))
    CheckText(refusal->body);
  const mcp::HttpReply reply =
      mcp::AnswerHttp(server, headers, line == std::string::npos ? text : text.substr(line + 1));
  CheckText(reply.body);
  Check(reply.status == 200 || reply.status == 202 || reply.status == 400 || reply.status == 404);

  if (auto address = mcp::ReadAddress(value))
    Check(address->kind != mcp::Address::Kind::Patch || address->patch_id > 0);
  return 0;
}
