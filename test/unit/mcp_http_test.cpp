#include "mcp_case.h"

#include "core/mcp/http.h"

namespace mend::mcp {
namespace {

using test::FakeBackend;
using test::Modern;
using test::Request;

HttpHeaders Good() {
  HttpHeaders headers;
  headers.host = "127.0.0.1:8931";
  headers.content_type = "application/json; charset=utf-8";
  headers.accept = "application/json, text/event-stream";
  return headers;
}

int StatusOf(const HttpHeaders& headers, const HttpPolicy& policy = {}, const char* method = "POST",
             const char* path = "/mcp") {
  const auto refusal = RefuseHttp(policy, method, path, headers);
  if (refusal) {
    json::Document body;
    EXPECT_FALSE(body.Parse(refusal->body));
  }
  return refusal ? refusal->status : 0;
}

TEST(McpHttpTest, HostAndOriginMustBeOurs) {
  const HttpPolicy policy = {"", {"mend.example"}};
  HttpHeaders headers = Good();
  for (const char* host : {"127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:65535", "[::1]",
                           "mend.example", "Mend.Example:8"}) {
    headers.host = host;
    EXPECT_EQ(StatusOf(headers, policy), 0) << host;
    headers.origin = std::string("https://") + host;
    EXPECT_EQ(StatusOf(headers, policy), 0) << host;
    headers.origin.reset();
  }
  for (const char* host :
       {"", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:1",
        "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:1:2", "127.0.0.1@evil.example", "[::1", "[::1]x",
        "evil.example:127.0.0.1", "127.0.0.2", "0.0.0.0", "[::]"}) {
    headers.host = host;
    EXPECT_EQ(StatusOf(headers, policy), 403) << host;
    headers.host = "localhost";
    headers.origin = std::string("http://") + host;
    EXPECT_EQ(StatusOf(headers, policy), 403) << host;
    headers.origin.reset();
  }
  for (const char* origin : {"null", "", "file://", "localhost", "ftp://localhost",
                             "http://localhost/", "http://localhost evil"}) {
    headers = Good();
    headers.origin = origin;
    EXPECT_EQ(StatusOf(headers, policy), 403) << origin;
  }
  headers = Good();
  headers.host.reset();
  EXPECT_EQ(StatusOf(headers), 403);
}

TEST(McpHttpTest, TheTokenIsAskedForBeforeAnythingElseIsTold) {
  const HttpPolicy policy = {"0123456789abcdef", {}};
  HttpHeaders headers = Good();
  for (const char* given :
       {"", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0",
        "Basic 0123456789abcdef", "0123456789abcdef", "Bearer 0123456789abcdeF",
        "bearer0123456789abcdef"}) {
    headers.authorization = given;
    EXPECT_EQ(StatusOf(headers, policy), 401) << given;
    EXPECT_EQ(StatusOf(headers, policy, "GET", "/etc"), 401) << given;
  }
  headers.authorization.reset();
  EXPECT_EQ(StatusOf(headers, policy), 401);
  for (const char* given : {"Bearer 0123456789abcdef", "bearer  0123456789abcdef "}) {
    headers.authorization = given;
    EXPECT_EQ(StatusOf(headers, policy), 0) << given;
  }
}

TEST(McpHttpTest, OnlyJsonIsPostedAtOnePath) {
  HttpHeaders headers = Good();
  for (const char* method : {"GET", "DELETE", "PUT", "OPTIONS", "HEAD", "post"})
    EXPECT_EQ(StatusOf(headers, {}, method), 405);
  for (const char* path : {"/", "/mcp/", "/mcp2", "/.well-known/oauth-protected-resource"}) {
    EXPECT_EQ(StatusOf(headers, {}, "POST", path), 404);
  }
  headers.content_type = "text/plain";
  EXPECT_EQ(StatusOf(headers), 415);
  headers.content_type.reset();
  EXPECT_EQ(StatusOf(headers), 415);
  headers = Good();
  headers.accept = "text/html";
  EXPECT_EQ(StatusOf(headers), 406);
  headers.accept = "*/*";
  EXPECT_EQ(StatusOf(headers), 0);
}

TEST(McpHttpTest, StatusesOfBothEras) {
  FakeBackend backend;
  const Server server(&backend, "1");
  HttpHeaders legacy = Good();
  const auto status = [&](const HttpHeaders& headers, const std::string& body) {
    return AnswerHttp(server, headers, body).status;
  };
  EXPECT_EQ(status(legacy, Request("ping")), 200);
  EXPECT_EQ(status(legacy, Request("no/such")), 200);
  EXPECT_EQ(status(legacy, Request("tools/call", R"({"name":"nope"})")), 200);
  EXPECT_EQ(status(legacy, "not json"), 400);
  EXPECT_EQ(status(legacy, "[]"), 400);
  EXPECT_EQ(status(legacy, Request("ping", "[]")), 400);
  const HttpReply notified =
      AnswerHttp(server, legacy, R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  EXPECT_EQ(notified.status, 202);
  EXPECT_EQ(notified.body, "");
  legacy.protocol_version = "1999-01-01";
  EXPECT_EQ(status(legacy, Request("tools/list")), 400);
  legacy.protocol_version = "2025-03-26";
  EXPECT_EQ(status(legacy, Request("tools/list")), 200);

  const auto modern = [](const char* method, const char* name = nullptr) {
    HttpHeaders headers = Good();
    headers.protocol_version = "2026-07-28";
    headers.mcp_method = method;
    if (name != nullptr) headers.mcp_name = name;
    return headers;
  };
  EXPECT_EQ(status(modern("tools/list"), Modern("tools/list")), 200);
  EXPECT_EQ(status(modern(" tools/list "), Modern("tools/list")), 200);
  EXPECT_EQ(status(modern("no/such"), Modern("no/such")), 404);
  EXPECT_EQ(status(modern("tools/list"), Request("tools/list")), 400);
  EXPECT_EQ(status(modern("tools/call", "nope"), Modern("tools/call", R"("name":"nope")")), 200);
  const std::string call = Modern("tools/call", R"("name":"ingest_status")");
  EXPECT_EQ(status(modern("tools/call", "ingest_status"), call), 200);
  EXPECT_EQ(status(modern("tools/call", "=?base64?aW5nZXN0X3N0YXR1cw==?="), call), 200);
  const auto mismatch = [&](const HttpHeaders& headers, const std::string& body) {
    const HttpReply reply = AnswerHttp(server, headers, body);
    json::Document document;
    EXPECT_FALSE(document.Parse(reply.body));
    EXPECT_EQ(json::IntegerMember(json::ObjectMember(document.root(), "error"), "code"),
              code::kHeaderMismatch);
    return reply.status;
  };
  EXPECT_EQ(mismatch(modern("tools/call"), call), 400);
  EXPECT_EQ(mismatch(modern("tools/call", "list_drift"), call), 400);
  EXPECT_EQ(mismatch(modern("tools/call", "=?base64?!?="), call), 400);
  EXPECT_EQ(mismatch(modern("tools/list"), call), 400);
  EXPECT_EQ(mismatch(Good(), Modern("tools/list")), 400);
  HttpHeaders old = modern("tools/list");
  old.protocol_version = "2025-11-25";
  EXPECT_EQ(mismatch(old, Modern("tools/list")), 400);
}

}  // namespace
}  // namespace mend::mcp
