#include "mcp_case.h"

#include "core/mcp/address.h"
#include "core/mcp/schema.h"
#include "core/mcp/tool_service.h"

namespace mend::mcp {
namespace {

using test::FakeBackend;
using test::Modern;
using test::Reply;
using test::Request;

std::string_view Text(json::Value object, std::string_view name) {
  return json::StringMember(object, name).value_or("(none)");
}
std::string_view FirstText(json::Value result) {
  return Text(json::ArrayMember(result, "content").First(), "text");
}
bool HasError(json::Value result) {
  const json::Value flag = json::Member(result, "isError");
  return flag && flag.kind() == json::Kind::True;
}

TEST(McpServerTest, InitializeEchoesAVersionItKnows) {
  FakeBackend backend;
  for (const char* version : {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}) {
    Reply reply(&backend,
                Request("initialize", std::string(R"({"protocolVersion":")") + version + "\"}"));
    EXPECT_EQ(Text(reply.result(), "protocolVersion"), version);
    EXPECT_FALSE(reply.answer.modern);
  }
  for (const char* params :
       {R"({"protocolVersion":"2026-07-28"})", R"({"protocolVersion":"1999-01-01"})",
        R"({"protocolVersion":5})", "{}"}) {
    EXPECT_EQ(Text(Reply(&backend, Request("initialize", params)).result(), "protocolVersion"),
              kNewestLegacyVersion);
  }
}

TEST(McpServerTest, ErasAreToldApartByMessage) {
  FakeBackend backend;
  Reply discover(&backend, Modern("server/discover"));
  EXPECT_EQ(json::ArrayMember(discover.result(), "supportedVersions").First().text(),
            kModernVersion);
  EXPECT_EQ(Text(discover.result(), "cacheScope"), "private");
  Reply modern(&backend, Modern("tools/list"));
  EXPECT_EQ(Text(modern.result(), "resultType"), "complete");
  EXPECT_TRUE(json::IntegerMember(modern.result(), "ttlMs"));
  Reply legacy(&backend, Request("tools/list"));
  EXPECT_TRUE(legacy.result());
  EXPECT_FALSE(json::Member(legacy.result(), "resultType"));

  EXPECT_TRUE(Reply(&backend, Request("ping")).result());
  EXPECT_EQ(Reply(&backend, Modern("ping")).code(), code::kUnknownMethod);
  EXPECT_EQ(Reply(&backend, Modern("initialize")).code(), code::kUnknownMethod);
  EXPECT_EQ(Reply(&backend, Request("logging/setLevel")).code(), code::kUnknownMethod);
  // The header alone makes a request modern, and its _meta due.
  EXPECT_EQ(Reply(&backend, Request("tools/list"), "2026-07-28").code(), code::kInvalidParams);
  EXPECT_TRUE(Reply(&backend, Request("tools/list"), "2025-06-18").result());
}

TEST(McpServerTest, ModernRequestsSayWhatTheySpeak) {
  FakeBackend backend;
  const std::string version = R"("io.modelcontextprotocol/protocolVersion":)";
  EXPECT_EQ(Reply(&backend, Request("server/discover")).code(), code::kInvalidParams);
  EXPECT_EQ(Reply(&backend, Request("server/discover", R"({"_meta":{}})")).code(),
            code::kInvalidParams);
  EXPECT_EQ(
      Reply(&backend, Request("tools/list", "{\"_meta\":{" + version + "\"2026-07-28\"}}")).code(),
      code::kInvalidParams);
  EXPECT_EQ(Reply(&backend, Request("tools/list", "{\"_meta\":{" + version + "5}}")).code(),
            code::kInvalidParams);
  Reply unsupported(&backend, Request("tools/list", "{\"_meta\":{" + version + "\"2031-01-01\"}}"));
  EXPECT_EQ(unsupported.code(), code::kUnsupportedVersion);
  const json::Value data = json::ObjectMember(unsupported.error(), "data");
  EXPECT_EQ(Text(data, "requested"), "2031-01-01");
  EXPECT_EQ(json::ArrayMember(data, "supported").First().text(), kModernVersion);
}

TEST(McpServerTest, NotificationsAndResponsesAreNotAnswered) {
  FakeBackend backend;
  for (const char* text :
       {R"({"jsonrpc":"2.0","method":"notifications/initialized"})",
        R"({"jsonrpc":"2.0","method":"tools/list"})", R"({"jsonrpc":"2.0","method":"no/such"})",
        R"({"jsonrpc":"2.0","id":1,"result":{}})"}) {
    EXPECT_EQ(Reply(&backend, text).answer.text, "") << text;
  }
  EXPECT_TRUE(backend.ran.empty());
}

TEST(McpServerTest, ToolsThatTheRoleMayNotUseAreNotListed) {
  FakeBackend backend;
  const auto names = [&] {
    Reply reply(&backend, Request("tools/list"));
    std::string all;
    const json::Value tools = json::ArrayMember(reply.result(), "tools");
    for (json::Value tool = tools.First(); tool; tool = tools.After(tool))
      all += std::string(Text(tool, "name")) + ' ';
    return all;
  };
  const std::string all = names();
  EXPECT_NE(all.find("retry_dead_letters"), std::string::npos);
  EXPECT_EQ(all.find(tools::kGiveUp), std::string::npos);
  EXPECT_EQ(all.find("approve"), std::string::npos);
  backend.allowed.assign(tools::kToolCount, false);
  EXPECT_EQ(names(), "");
  backend.failure = base::Error{"08006", "gone", ""};
  EXPECT_EQ(names(), all);
  EXPECT_EQ(Reply(&backend, Request("tools/list", R"({"cursor":"x"})")).code(),
            code::kInvalidParams);
}

TEST(McpServerTest, ACallIsServedAndRecorded) {
  FakeBackend backend;
  backend.rows = {{"9", "{\"drift_id\" : 9,\n \"table\":\"a \\n\\\" b\"}", {}},
                  {"8", "{\"drift_id\": 8}", {}},
                  {"7", "{}", {}}};
  Reply reply(&backend, Request("tools/call",
                                R"({"name":"list_drift","arguments":{"table":"t","limit":2}})"));
  EXPECT_FALSE(HasError(reply.result()));
  EXPECT_EQ(FirstText(reply.result()),
            json::ObjectMember(reply.result(), "structuredContent").Serialise());
  const std::string cursor = mcp::MakeCursor(mcp::kListDriftService, "8");
  EXPECT_EQ(FirstText(reply.result()),
            "{\"drift\":[{\"drift_id\":9,\"table\":\"a \\n\\\" "
            "b\"},{\"drift_id\":8}],\"next_cursor\":\"" +
                cursor + "\"}");
  ASSERT_EQ(backend.ran.size(), 1u);
  EXPECT_EQ(backend.ran[0].table, "t");
  EXPECT_EQ(backend.ran[0].parameters, (std::vector<std::optional<std::string>>{{}, {}, {}, "3"}));
  ASSERT_EQ(backend.records.size(), 1u);
  EXPECT_EQ(backend.records[0].tool, "list_drift");
  EXPECT_EQ(backend.records[0].sqlstate, "");
  EXPECT_EQ(backend.records[0].milliseconds, 5);

  Reply next(&backend, Request("tools/call", R"({"name":"list_drift","arguments":{"cursor":")" +
                                                 cursor + "\"}}"));
  EXPECT_EQ(backend.ran[1].parameters[2], "8");
}

TEST(McpServerTest, WhatGoesWrongInACallIsAnErrorResult) {
  FakeBackend backend;
  const struct {
    const char* params;
    const char* says;
  } cases[] = {
      {R"({"name":"list_drift","arguments":{"limit":0}})", "limit must be at least 1"},
      {R"({"name":"list_drift","arguments":{"limit":"5"}})", "limit must be of type integer"},
      {R"({"name":"list_drift","arguments":{"limit":1e3}})", "limit must be of type integer"},
      {R"({"name":"list_drift","arguments":{"sql":"select 1"}})", "the schema does not have"},
      {R"({"name":"list_drift","arguments":{"state":"x"}})", "state must be one of"},
      {R"({"name":"list_drift","arguments":{"cursor":"x"}})", "cursor is no next_cursor"},
      {R"({"name":"list_patches","arguments":{"cursor":"bGlzdF9kcmlmdDo4"}})",
       "cursor is no next_cursor"},
      {R"({"name":"get_patch"})", "lacks patch_id"},
      {R"({"name":"get_patch","arguments":{"patch_id":99999999999999999999}})",
       "patch_id must be of type integer"},
      {R"({"name":"describe_table","arguments":{"table":""}})", "at least 1 characters"},
      {R"({"name":"retry_dead_letters","arguments":{"table":"t","ids":[]}})",
       "at least 1 elements"},
      {R"({"name":"retry_dead_letters","arguments":{"table":"t","ids":["1}'"]}})",
       "ids must be of type integer"},
      {R"({"name":"propose_patch","arguments":{"table":"t","ddl":"","rationale":""}})",
       "all empty"},
      {R"({"name":"propose_patch","arguments":{"table":"t","ddl":"","rationale":"","field_map":[{"field":"a","column":null},{"field":"a","column":"b"}]}})",
       "names a field twice"},
  };
  for (const auto& one : cases) {
    Reply reply(&backend, Request("tools/call", one.params));
    EXPECT_TRUE(HasError(reply.result())) << one.params;
    EXPECT_NE(FirstText(reply.result()).find(one.says), std::string::npos)
        << FirstText(reply.result());
    EXPECT_NE(FirstText(reply.result()).find("\"sqlstate\":\"22023\""), std::string::npos);
    EXPECT_FALSE(json::Member(reply.result(), "structuredContent"));
  }
  EXPECT_TRUE(backend.ran.empty());
  EXPECT_EQ(backend.records.size(), std::size(cases));

  backend.failure = base::Error{"42501", "permission denied for \"x\"", "Ask."};
  Reply reply(&backend, Request("tools/call", R"({"name":"ingest_status"})"));
  EXPECT_EQ(FirstText(reply.result()),
            R"({"sqlstate":"42501","message":"permission denied for \"x\"","hint":"Ask."})");
  EXPECT_EQ(backend.records.back().sqlstate, "42501");
}

TEST(McpServerTest, WhatIsNoCallIsAProtocolError) {
  FakeBackend backend;
  for (const char* params : {"{}", R"({"name":5})", R"({"name":"no_such"})",
                             R"({"name":"give_up","arguments":{"reason":"x"}})",
                             R"({"name":"ingest_status","arguments":[]})",
                             R"({"name":"ingest_status","arguments":null})"}) {
    EXPECT_EQ(Reply(&backend, Request("tools/call", params)).code(), code::kInvalidParams)
        << params;
  }
  EXPECT_TRUE(backend.records.empty());
}

TEST(McpServerTest, ARefusedPatchIsAnError) {
  FakeBackend backend;
  backend.rows = {{"3", "{\"patch_id\":3}", "patch 3 is refused: no"}};
  const std::string arguments = R"({"table":"t","ddl":"DROP TABLE t","rationale":"r"})";
  Reply reply(&backend,
              Request("tools/call", R"({"name":"propose_patch","arguments":)" + arguments + "}"));
  EXPECT_TRUE(HasError(reply.result()));
  EXPECT_NE(FirstText(reply.result()).find("patch 3 is refused: no"), std::string::npos);
  // Looked at later, it is a patch like others.
  Reply get(&backend, Request("tools/call", R"({"name":"get_patch","arguments":{"patch_id":3}})"));
  EXPECT_FALSE(HasError(get.result()));
}

TEST(McpServerTest, ResultsAreBoundedAndAlwaysJson) {
  FakeBackend backend;
  const std::string wide = "{\"x\":\"" + std::string(15'000, 'x') + "\"}";
  for (int i = 9; i > 0; --i) backend.rows.push_back({std::to_string(i), wide, {}});
  Reply reply(&backend, Request("tools/call", R"({"name":"list_patches"})"));
  const json::Value page = json::ObjectMember(reply.result(), "structuredContent");
  EXPECT_EQ(json::ArrayMember(page, "patches").token().size, 2u);
  EXPECT_EQ(Text(page, "next_cursor"), mcp::MakeCursor(mcp::kListPatchesService, "8"));

  for (const std::string& object :
       {std::string("{\"x\":\"\xFF\"}"), std::string("[1]"), std::string("{"),
        "{\"x\":\"" + std::string(mcp::kMaxObjectBytes, 'x') + "\"}"}) {
    backend.rows = {{"1", object, {}}};
    EXPECT_TRUE(
        HasError(Reply(&backend, Request("tools/call", R"({"name":"list_patches"})")).result()));
    EXPECT_TRUE(HasError(
        Reply(&backend, Request("tools/call", R"({"name":"get_patch","arguments":{"patch_id":1}})"))
            .result()));
  }
  backend.rows = {};
  Reply none(&backend, Request("tools/call", R"({"name":"get_patch","arguments":{"patch_id":1}})"));
  EXPECT_NE(FirstText(none.result()).find("42704"), std::string::npos);
}

TEST(McpServerTest, ResourcesHaveAddresses) {
  FakeBackend backend;
  backend.rows = {{"16400", R"({"schema":"Odd Schema","table":"a/b%\"é","name":"n"})", {}}};
  Reply list(&backend, Request("resources/list"));
  const json::Value resources = json::ArrayMember(list.result(), "resources");
  ASSERT_EQ(resources.token().size, 2u);
  const std::string uri(Text(resources.After(resources.First()), "uri"));
  EXPECT_EQ(uri, "mend://table/Odd%20Schema/a%2Fb%25%22%C3%A9");
  EXPECT_EQ(ReadAddress(uri)->table, "\"Odd Schema\".\"a/b%\"\"é\"");
  EXPECT_EQ(Reply(&backend, Request("resources/list", R"({"cursor":"?"})")).code(),
            code::kInvalidParams);
  EXPECT_EQ(json::ArrayMember(Reply(&backend, Request("resources/templates/list")).result(),
                              "resourceTemplates")
                .token()
                .size,
            2u);

  Reply read(&backend, Request("resources/read", R"({"uri":"mend://patch/5"})"));
  EXPECT_EQ(backend.ran.back().parameters[0], "5");
  EXPECT_EQ(Text(json::ArrayMember(read.result(), "contents").First(), "mimeType"),
            "application/json");
  EXPECT_EQ(backend.records.back().tool, "get_patch");

  for (const char* wrong :
       {"", "mend://", "mend://patch/", "mend://patch/0", "mend://patch/5x",
        "mend://patch/99999999999999999999", "mend://table/public", "mend://table//x",
        "mend://table/a%/b", "mend://table/a/%0", "mend://table/a/%00", "mend://table/a/%FF",
        "mend://table/a/%zz", "file:///etc/passwd", "mend://drift/summary/x"}) {
    EXPECT_FALSE(ReadAddress(wrong)) << wrong;
    const std::string params = std::string(R"("uri":")") + wrong + "\"";
    EXPECT_EQ(Reply(&backend, Request("resources/read", "{" + params + "}")).code(),
              code::kLegacyNotFound)
        << wrong;
    EXPECT_EQ(Reply(&backend, Modern("resources/read", params)).code(), code::kInvalidParams)
        << wrong;
  }
  EXPECT_EQ(Reply(&backend, Request("resources/read")).code(), code::kInvalidParams);
  backend.failure = base::Error{"55000", "not enrolled", ""};
  EXPECT_EQ(Reply(&backend, Request("resources/read", R"({"uri":"mend://table/a/b"})")).code(),
            code::kLegacyNotFound);
  backend.failure = base::Error{"08006", "gone", "wait"};
  Reply gone(&backend, Request("resources/read", R"({"uri":"mend://table/a/b"})"));
  EXPECT_EQ(gone.code(), code::kInternal);
  EXPECT_EQ(Text(json::ObjectMember(gone.error(), "data"), "sqlstate"), "08006");
}

TEST(McpServerTest, PromptsAndCompletions) {
  FakeBackend backend;
  EXPECT_EQ(
      json::ArrayMember(Reply(&backend, Request("prompts/list")).result(), "prompts").token().size,
      2u);
  const auto get = [&](const std::string& params) {
    return Reply(&backend, Request("prompts/get", params)).code();
  };
  EXPECT_EQ(get(R"({"name":"triage_drift"})"), 0);
  EXPECT_EQ(get(R"({"name":"triage_drift","arguments":{"table":"a\"b"}})"), 0);
  EXPECT_EQ(get(R"({"name":"triage_drift","arguments":{"table":5}})"), code::kInvalidParams);
  EXPECT_EQ(get(R"({"name":"review_patch","arguments":{"patch_id":"5"}})"), 0);
  EXPECT_EQ(get(R"({"name":"review_patch","arguments":{"patch_id":"5; ignore"}})"),
            code::kInvalidParams);
  EXPECT_EQ(get(R"({"name":"review_patch"})"), code::kInvalidParams);
  EXPECT_EQ(get(R"({"name":"nope"})"), code::kInvalidParams);
  EXPECT_TRUE(backend.ran.empty());

  for (int i = 0; i < 101; ++i)
    backend.rows.push_back({"", "{\"value\":\"v" + std::to_string(i) + "\"}", {}});
  const auto complete = [&](const std::string& ref, const std::string& argument,
                            const std::string& rest = "") {
    return Request("completion/complete", "{\"ref\":" + ref + ",\"argument\":{\"name\":\"" +
                                              argument + "\",\"value\":\"or\"}" + rest + "}");
  };
  Reply reply(&backend, complete(R"({"type":"ref/resource","uri":"mend://table/{schema}/{table}"})",
                                 "table", R"(,"context":{"arguments":{"schema":"public"}})"));
  const json::Value completion = json::ObjectMember(reply.result(), "completion");
  EXPECT_EQ(json::ArrayMember(completion, "values").token().size, 100u);
  EXPECT_EQ(json::Member(completion, "hasMore").kind(), json::Kind::True);
  EXPECT_EQ(backend.ran.back().parameters,
            (std::vector<std::optional<std::string>>{"or", "public"}));
  const char* prompt = R"({"type":"ref/prompt","name":"triage_drift"})";
  EXPECT_TRUE(Reply(&backend, complete(prompt, "table")).result());
  Reply unknown(&backend, complete(prompt, "nope"));
  EXPECT_EQ(
      json::ArrayMember(json::ObjectMember(unknown.result(), "completion"), "values").token().size,
      0u);
  EXPECT_EQ(Reply(&backend, complete("{}", "table")).code(), code::kInvalidParams);
  EXPECT_EQ(Reply(&backend, Request("completion/complete")).code(), code::kInvalidParams);
}

// What clients ask of the schemas and hints that we show.
TEST(McpServerTest, ToolsAreDeclaredAsClientsWant) {
  for (size_t i = 0; i < tools::kToolCount; ++i) {
    const tools::Tool& tool = tools::ToolAt(i);
    if (!tools::ForClients(tool)) continue;
    EXPECT_LE(tool.client.description.size(), 2048u);
    const mcp::ToolService* served = mcp::FindToolService(tool.name);
    ASSERT_NE(served, nullptr) << tool.name;
    EXPECT_FALSE(served->allowed_if.empty());
    EXPECT_EQ(tool.hints.read_only, served->service->access == mcp::Access::ReadOnly) << tool.name;
    json::Document input, output;
    ASSERT_FALSE(input.Parse(tool.client.input_schema)) << tool.name;
    ASSERT_FALSE(output.Parse(tool.output_schema)) << tool.name;
    EXPECT_EQ(Text(input.root(), "type"), "object");
    EXPECT_EQ(Text(output.root(), "type"), "object");
    EXPECT_EQ(json::Member(input.root(), "additionalProperties").kind(), json::Kind::False);
    const json::Value properties = json::ObjectMember(input.root(), "properties");
    for (json::Value name = properties.First(); name; name = properties.After(name)) {
      EXPECT_EQ(name.text().find("sql"), std::string_view::npos);
    }
  }
}

}  // namespace
}  // namespace mend::mcp
