#include "core/plan/claude/messages.h"

#include <gtest/gtest.h>

#include "core/base/json_member.h"

namespace mend::plan::claude {
namespace {

std::string Body(const std::string& stop, const std::string& content,
                 const std::string& more = "") {
  return R"({"type":"message","id":"msg_1","model":"m","stop_reason":")" + stop +
         R"(","content":)" + content + more + "}";
}
ReplyKind KindOf(const std::string& stop, const std::string& content) {
  const auto reply = ParseReply(Body(stop, content));
  EXPECT_TRUE(reply);
  return reply ? reply->kind : ReplyKind::Unknown;
}

const char kCall[] =
    R"({"type":"tool_use","id":"toolu_1","name":"give_up","input":{"reason":"x"}})";

TEST(RequestTest, HasWhatTheApiAsksForAndNothingElse) {
  Turns turns;
  turns.AddUserText("say \"hi\"\n");
  const std::string text =
      RequestBody(WireOf(Endpoint()), {"claude-haiku-5-5", "You plan.", "low", false}, turns, 8192);
  json::Document body;
  ASSERT_FALSE(body.Parse(text)) << text;
  const json::Value root = body.root();
  EXPECT_EQ(json::IntegerMember(root, "max_tokens"), 8192);
  EXPECT_EQ(json::StringMember(root, "system"), "You plan.");
  EXPECT_EQ(json::StringMember(json::ObjectMember(root, "tool_choice"), "type"), "auto");
  EXPECT_EQ(json::StringMember(json::ObjectMember(root, "output_config"), "effort"), "low");
  for (const char* never : {"temperature", "top_p", "top_k", "stream", "thinking"}) {
    EXPECT_FALSE(json::Member(root, never)) << never;
  }
  EXPECT_EQ(text.find("cache_control"), std::string::npos);
  EXPECT_NE(text.find(R"([{"role":"user","content":"say \"hi\"\n"}])"), std::string::npos);
}

TEST(RequestTest, CacheAndEffortWhereTheyBelong) {
  const Turns turns;
  const std::string text =
      RequestBody(WireOf(Endpoint()), {"claude-haiku-4-5-20251001", "s", "low", true}, turns, 1);
  EXPECT_EQ(text.find("effort"), std::string::npos);
  EXPECT_NE(
      text.find(R"("system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}])"),
      std::string::npos);
}

Endpoint At(const std::string& url) {
  return *FindEndpoint(Provider::Anthropic, {url, "", "", ""});
}

TEST(RequestTest, HeadersByCredential) {
  const net::Request key =
      MakeRequest(At("https://h/p/"), {Credential::Kind::ApiKey, "k"}, "m", "{}");
  EXPECT_EQ(key.url, "https://h/p/v1/messages");
  EXPECT_EQ(*net::FindHeader(key.headers, "x-api-key"), "k");
  EXPECT_EQ(*net::FindHeader(key.headers, "anthropic-version"), "2026-10-21");
  const net::Request bearer =
      MakeRequest(At("https://h"), {Credential::Kind::Bearer, "t"}, "m", "{}");
  EXPECT_EQ(*net::FindHeader(bearer.headers, "authorization"), "Bearer t");
  EXPECT_EQ(net::FindHeader(bearer.headers, "x-api-key"), nullptr);
}

TEST(ReplyTest, KindsByWhatIsThere) {
  const std::string call = kCall;
  EXPECT_EQ(KindOf("tool_use", "[" + call + "]"), ReplyKind::ToolCalls);
  EXPECT_EQ(KindOf("tool_use", "[]"), ReplyKind::Unknown);
  EXPECT_EQ(KindOf("tool_use", "[" + call + "," + call + "]"), ReplyKind::Unknown);  // one id twice
  EXPECT_EQ(KindOf("end_turn", "[" + call + "]"), ReplyKind::Unknown);
  EXPECT_EQ(KindOf("end_turn", R"([{"type":"text","text":"x"}])"), ReplyKind::Text);
  EXPECT_EQ(KindOf("end_turn", R"([{"type":"text","text":" "}])"), ReplyKind::Empty);
  EXPECT_EQ(KindOf("end_turn", "[]"), ReplyKind::Empty);
  EXPECT_EQ(KindOf("refusal", "[" + call + "]"), ReplyKind::Refusal);
  EXPECT_EQ(KindOf("max_tokens", "[" + call + "]"), ReplyKind::Truncated);
  EXPECT_EQ(KindOf("model_context_window_exceeded", "[]"), ReplyKind::TooLong);
  EXPECT_EQ(KindOf("pause_turn", "[]"), ReplyKind::Unknown);
  EXPECT_EQ(KindOf("tool_use", "[7,null]"), ReplyKind::Unknown);
  EXPECT_EQ(KindOf("tool_use", R"([{"type":"tool_use","id":"a b","name":"x","input":{}}])"),
            ReplyKind::Unknown);
  EXPECT_EQ(KindOf("tool_use", R"([{"type":"tool_use","id":"a","name":"x","input":"{}"}])"),
            ReplyKind::Unknown);
}

TEST(ReplyTest, ContentIsKeptByteForByte) {
  const std::string content =
      R"([ {"type":"thinking","thinking":"","signature":"a\/b="}, {"type":"new","x":1.50e1}, )" +
      std::string(kCall) + " ]";
  const auto reply = ParseReply(Body("tool_use", content));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->content, content);
  ASSERT_EQ(reply->calls.size(), 1u);
  EXPECT_EQ(reply->calls[0].input, R"({"reason":"x"})");
  Turns turns;
  turns.AddAssistant(reply->content);
  EXPECT_NE(turns.Json().find(content), std::string::npos);
}

TEST(ReplyTest, Usage) {
  const auto reply =
      ParseReply(Body("end_turn", "[]",
                      R"(,"usage":{"input_tokens":5,"output_tokens":6,)"
                      R"("cache_read_input_tokens":7,"cache_creation_input_tokens":9,)"
                      R"("cache_creation":{"ephemeral_1h_input_tokens":4},"new":{}})"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->usage.input_tokens, 5);
  EXPECT_EQ(reply->usage.cache_write_5m_tokens, 5);
  EXPECT_EQ(reply->usage.cache_write_1h_tokens, 4);
  EXPECT_EQ(reply->usage.Prompt(), 21);
  const auto odd = ParseReply(Body("end_turn", "[]",
                                   R"(,"usage":{"input_tokens":"5","output_tokens":-6,)"
                                   R"("cache_read_input_tokens":99999999999999999999})"));
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->usage.Prompt() + odd->usage.output_tokens, 0);
}

TEST(ReplyTest, WhatIsNoMessage) {
  for (const char* text : {"", "null", "[]", "7", "<html>", R"({"type":"error"})",
                           R"({"type":"message"})", R"({"type":"message","content":"text"})",
                           R"({"type":5,"content":[]})", R"({"content":[]})"}) {
    EXPECT_FALSE(ParseReply(text)) << text;
  }
  EXPECT_FALSE(ParseReply(R"({"type":"message","content":)" + std::string(2 << 20, '[')));
}

TEST(ErrorTest, ReadsTheEnvelopeAndToleratesAnythingElse) {
  const ApiError error = ParseError(
      {429,
       {{"request-id", "req_1"}},
       R"({"type":"error","error":{"type":"rate_limit_error","message":"a\nb","details":{"error_code":"c"}}})"});
  EXPECT_EQ(error.type, "rate_limit_error");
  EXPECT_EQ(error.code, "c");
  EXPECT_EQ(error.message, "a b");
  EXPECT_EQ(error.request_id, "req_1");
  for (const char* body : {"", "<html>", "[]", R"({"error":7})", R"({"error":{"type":7}})"}) {
    EXPECT_EQ(ParseError({502, {}, body}).type, "") << body;
  }
}

}  // namespace
}  // namespace mend::plan::claude
