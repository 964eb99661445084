#include <gtest/gtest.h>

#include "core/mcp/message.h"

namespace mend::mcp {
namespace {

TEST(McpMessageTest, TellsKindsApart) {
  const struct {
    const char* text;
    Kind kind;
    const char* id;
    int fault;
  } cases[] = {
      {R"({"jsonrpc":"2.0","id":1,"method":"ping"})", Kind::Request, "1", 0},
      {R"({"jsonrpc":"2.0","id":"a\"b","method":"ping","params":{}})", Kind::Request, R"("a\"b")",
       0},
      {R"({"jsonrpc":"2.0","id":-9223372036854775808,"method":"x"})", Kind::Request,
       "-9223372036854775808", 0},
      {R"({"jsonrpc":"2.0","method":"notifications/initialized"})", Kind::Notification, "", 0},
      {R"({"jsonrpc":"2.0","id":4,"result":{}})", Kind::Response, "4", 0},
      {R"({"jsonrpc":"2.0","id":4,"error":{}})", Kind::Response, "4", 0},
      {"", Kind::Invalid, "", code::kParse},
      {"not json", Kind::Invalid, "", code::kParse},
      {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xFF\"}", Kind::Invalid, "", code::kParse},
      {"[]", Kind::Invalid, "", code::kInvalidRequest},
      {R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])", Kind::Invalid, "", code::kInvalidRequest},
      {"7", Kind::Invalid, "", code::kInvalidRequest},
      {"{}", Kind::Invalid, "", code::kInvalidRequest},
      {R"({"id":1,"method":"ping"})", Kind::Invalid, "1", code::kInvalidRequest},
      {R"({"jsonrpc":"1.0","id":1,"method":"ping"})", Kind::Invalid, "1", code::kInvalidRequest},
      {R"({"jsonrpc":"2.0","id":1})", Kind::Invalid, "1", code::kInvalidRequest},
      {R"({"jsonrpc":"2.0","id":1,"method":5})", Kind::Invalid, "1", code::kInvalidRequest},
      {R"({"jsonrpc":"2.0","id":null,"method":"ping"})", Kind::Invalid, "", code::kInvalidRequest},
      {R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", Kind::Invalid, "", code::kInvalidRequest},
      {R"({"jsonrpc":"2.0","id":[1],"method":"ping"})", Kind::Invalid, "", code::kInvalidRequest},
      {R"({"jsonrpc":"2.0","id":{},"method":"ping"})", Kind::Invalid, "", code::kInvalidRequest},
      {R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[]})", Kind::Invalid, "1",
       code::kInvalidParams},
      {R"({"jsonrpc":"2.0","id":1,"method":"ping","params":null})", Kind::Invalid, "1",
       code::kInvalidParams},
  };
  for (const auto& one : cases) {
    const Message message(one.text);
    EXPECT_EQ(message.kind(), one.kind) << one.text;
    EXPECT_EQ(message.id(), one.id) << one.text;
    EXPECT_EQ(message.fault_code(), one.fault) << one.text;
    EXPECT_EQ(message.fault().empty(), one.fault == 0) << one.text;
  }
}

TEST(McpMessageTest, DepthAndLengthOfAnIdAreBounded) {
  EXPECT_EQ(Message(std::string(500'000, '[')).kind(), Kind::Invalid);
  const std::string id(2000, 'x');
  EXPECT_EQ(Message(R"({"jsonrpc":"2.0","method":"ping","id":")" + id + "\"}").kind(),
            Kind::Invalid);
}

TEST(McpMessageTest, RepliesLeaveOutWhatThereIsNot) {
  EXPECT_EQ(ResultReply("\"a\"", "{}"), R"({"jsonrpc":"2.0","id":"a","result":{}})");
  EXPECT_EQ(ErrorReply("", -32700, "no\n"),
            R"({"jsonrpc":"2.0","error":{"code":-32700,"message":"no\n"}})");
  EXPECT_EQ(ErrorReply("3", -1, "m", "[1]"),
            R"({"jsonrpc":"2.0","id":3,"error":{"code":-1,"message":"m","data":[1]}})");
}

}  // namespace
}  // namespace mend::mcp
