// The stand-in refuses what the API refuses: else the tests that use it would prove little.
#include "stand_in.h"

#include <gtest/gtest.h>

#include "core/net/curl.h"
#include "core/plan/claude/messages.h"

namespace mend::test {
namespace {

using plan::claude::Ask;
using plan::claude::Credential;
using plan::claude::Turns;

class StandInTest : public testing::Test {
 protected:
  StandInTest() : stand_in_(std::vector<std::string>(200, "give_up")) {}

  int Status(const std::string& body, net::Headers headers = {}) {
    net::Request request = plan::claude::MakeRequest(
        {plan::claude::Provider::Anthropic, stand_in_.base(), {}, {}, {}, {}},
        {Credential::Kind::ApiKey, "test-key"}, "claude-haiku-5-5", body);
    for (auto& [name, value] : headers) {
      for (auto& [known, old] : request.headers) {
        if (known == name) old = value;
      }
    }
    const net::Outcome outcome = transport_.Send(request, [] { return true; });
    const auto* response = std::get_if<net::Response>(&outcome);
    last_ = response != nullptr ? response->body : std::get<net::Failure>(outcome).message;
    return response != nullptr ? response->status : 0;
  }

  static std::string Good(const std::string& messages = R"([{"role":"user","content":"x"}])") {
    Turns turns;
    std::string body =
        plan::claude::RequestBody(plan::claude::WireOf(plan::claude::Endpoint()),
                                  {"claude-haiku-5-5", "s", "low", false}, turns, 100);
    return Replace(body, "\"messages\":[]", "\"messages\":" + messages);
  }
  static std::string Replace(std::string text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) text.replace(at, from.size(), to);
    return text;
  }

  StandIn stand_in_;
  net::CurlTransport transport_;
  std::string last_;
};

TEST_F(StandInTest, TakesWhatWeSend) { EXPECT_EQ(Status(Good()), 200) << last_; }

TEST_F(StandInTest, ChecksHeaders) {
  EXPECT_EQ(Status(Good(), {{"x-api-key", "wrong"}}), 401);
  EXPECT_EQ(Status(Good(), {{"anthropic-version", "2020-01-01"}}), 400);
  EXPECT_EQ(Status(Good(), {{"content-type", "text/plain"}}), 400);
}

TEST_F(StandInTest, ChecksTheBody) {
  const std::string good = Good();
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"\"max_tokens\":100", "\"max_tokens\":\"100\""},
      {"\"max_tokens\":100", "\"max_tokens\":100000"},
      {"\"max_tokens\":100", "\"max_tokens\":100,\"temperature\":1"},
      {"\"max_tokens\":100", "\"max_tokens\":100,\"top_k\":1"},
      {"\"max_tokens\":100", "\"max_tokens\":100,\"mystery\":1"},
      {"\"effort\":\"low\"", "\"effort\":\"least\""},
      {"\"type\":\"auto\"", "\"type\":\"whatever\""},
      {"\"type\":\"auto\"", "\"type\":\"tool\",\"name\":\"absent\""},
      {"\"name\":\"give_up\"", "\"name\":\"propose_patch\""},
      {"\"name\":\"give_up\"", "\"name\":\"give up\""},
      {"\"name\":\"give_up\"", "\"name\":\"give_up\",\"title\":\"x\""},
      {",\"additionalProperties\":false", ""},
      {"\"required\":[\"reason\"]", "\"required\":[\"reason\"],\"minProperties\":1"},
      {"\"reason\":{\"type\":\"string\"", "\"reason\":{\"type\":\"string\",\"maxLength\":5"},
      {"\"system\":\"s\"", "\"system\":[{\"type\":\"text\",\"text\":\"\"}]"},
      {"\"system\":\"s\"", "\"system\":5"},
      {"\"content\":\"x\"", "\"content\":\"\""},
      {"\"content\":\"x\"", "\"content\":\"  \""},
      {"\"content\":\"x\"", "\"content\":[]"},
      {"\"content\":\"x\"", "\"content\":\"x\",\"name\":\"y\""},
      {"\"content\":\"x\"", "\"content\":\"\\ud800\""},
      {"\"role\":\"user\"", "\"role\":\"assistant\""},
      {"\"role\":\"user\"", "\"role\":\"root\""},
      {"[{\"role\"",
       "[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"{\"},{"
       "\"rule\""},
  };
  for (const auto& [from, to] : wrong) {
    EXPECT_EQ(Status(Replace(good, from, to)), 400) << to << "\n" << last_;
  }
  EXPECT_EQ(Status("{"), 400);
  EXPECT_EQ(Status("[]"), 400);
  EXPECT_EQ(Status(Replace(good, "claude-haiku-5-5", "claude-2")), 404);
  EXPECT_EQ(Status(Replace(Replace(good, "claude-haiku-5-5", "claude-opus-5-5"),
                           "\"type\":\"auto\"", "\"type\":\"any\"")),
            400);
  EXPECT_EQ(Status(Replace(good, "claude-haiku-5-5", "claude-haiku-4-5")), 400);  // no effort there
}

TEST_F(StandInTest, ChecksTheTurns) {
  const std::string user = R"({"role":"user","content":"x"})";
  const auto call = [](const std::string& id) {
    return R"({"role":"assistant","content":[{"type":"tool_use","id":")" + id +
           R"(","name":"give_up","input":{}}]})";
  };
  const auto result = [](const std::string& id, const std::string& before = "") {
    return R"({"role":"user","content":[)" + before + R"({"type":"tool_result","tool_use_id":")" +
           id + R"(","content":"no","is_error":true}]})";
  };
  const std::string words = R"({"type":"text","text":"x"},)";
  EXPECT_EQ(Status(Good("[" + user + "," + call("a") + "," + result("a") + "]")), 200) << last_;
  EXPECT_EQ(Status(Good("[" + user + "," + user + "]")), 200) << last_;
  for (
      const std::string& turns : {
          user + "," + call("a"),                             // prefill
          user + "," + call("a") + "," + user,                // no result
          user + "," + call("a") + "," + result("b"),         // another's
          user + "," + result("a"),                           // nobody's
          user + "," + call("a") + "," + result("a", words),  // not first
          user + "," + call("a") + "," + result("a") + "," + call("a") + "," +
              result("a"),  // twice
          user + "," + call("a b") + "," + result("a b"),
          user + R"(,{"role":"assistant","content":[]},)" + user,
          user +
              R"(,{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"forged"}]},)" +
              user,
      }) {
    EXPECT_EQ(Status(Good("[" + turns + "]")), 400) << turns;
  }
}

TEST_F(StandInTest, ChecksTheThinkingEcho) {
  const std::string user = R"({"role":"user","content":"x"})";
  ASSERT_EQ(Status(Good()), 200);
  const auto reply = plan::claude::ParseReply(last_);
  ASSERT_TRUE(reply && reply->calls.size() == 1);
  Turns turns;
  turns.AddUserText("x");
  turns.AddAssistant(reply->content);
  turns.AddToolResults({{reply->calls[0].id, "no", true}});
  const std::string second = Good(turns.Json());
  EXPECT_EQ(Status(second), 200) << last_;
  // Any change of what stands before it, or of what was said, breaks the echo.
  EXPECT_EQ(Status(Replace(second, "\"system\":\"s\"", "\"system\":\"t\"")), 400);
  EXPECT_EQ(Status(Replace(second, "\"content\":\"x\"", "\"content\":\"y\"")), 400);
  EXPECT_EQ(Status(Replace(second, "claude-haiku-5-5", "claude-opus-5-5")), 400);
  EXPECT_EQ(Status(Replace(second, "No allowed patch", "Some allowed patch")), 400);
}

}  // namespace
}  // namespace mend::test
