#include "core/base/json_merge.h"

#include <gtest/gtest.h>

namespace mend::json {
namespace {

std::string Merged(const std::string& target, const std::string& patch) {
  Document of_target, of_patch;
  EXPECT_FALSE(of_target.Parse(target)) << target;
  EXPECT_FALSE(of_patch.Parse(patch)) << patch;
  const std::string merged = MergePatch(of_target.root(), of_patch.root());
  Document result;
  EXPECT_FALSE(result.Parse(merged)) << merged;
  // A second time changes nothing.
  EXPECT_EQ(MergePatch(result.root(), of_patch.root()), merged);
  return merged;
}

// RFC 7396, appendix A.
TEST(JsonMerge, DoesWhatTheRfcShows) {
  EXPECT_EQ(Merged(R"({"a":"b"})", R"({"a":"c"})"), R"({"a":"c"})");
  EXPECT_EQ(Merged(R"({"a":"b"})", R"({"b":"c"})"), R"({"a":"b","b":"c"})");
  EXPECT_EQ(Merged(R"({"a":"b"})", R"({"a":null})"), R"({})");
  EXPECT_EQ(Merged(R"({"a":"b","b":"c"})", R"({"a":null})"), R"({"b":"c"})");
  EXPECT_EQ(Merged(R"({"a":["b"]})", R"({"a":"c"})"), R"({"a":"c"})");
  EXPECT_EQ(Merged(R"({"a":"c"})", R"({"a":["b"]})"), R"({"a":["b"]})");
  EXPECT_EQ(Merged(R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})"), R"({"a":{"b":"d"}})");
  EXPECT_EQ(Merged(R"({"a":[{"b":"c"}]})", R"({"a":[1]})"), R"({"a":[1]})");
  EXPECT_EQ(Merged(R"(["a","b"])", R"(["c","d"])"), R"(["c","d"])");
  EXPECT_EQ(Merged(R"({"a":"b"})", R"(["c"])"), R"(["c"])");
  EXPECT_EQ(Merged(R"({"a":"foo"})", "null"), "null");
  EXPECT_EQ(Merged(R"({"a":"foo"})", R"("bar")"), R"("bar")");
  EXPECT_EQ(Merged(R"({"e":null})", R"({"a":1})"), R"({"e":null,"a":1})");
  EXPECT_EQ(Merged("[1,2]", R"({"a":"b","c":null})"), R"({"a":"b"})");
  EXPECT_EQ(Merged("{}", R"({"a":{"bb":{"ccc":null}}})"), R"({"a":{"bb":{}}})");
}

TEST(JsonMerge, LeavesTheRestAsItIsWritten) {
  EXPECT_EQ(Merged("{ \"a\" : 1.50, \"b\":\t\"\\u00e4\", \"c\" : {\"x\": 1e2 } }", R"({"b":2})"),
            "{ \"a\" : 1.50, \"b\":\t2, \"c\" : {\"x\": 1e2 } }");
  EXPECT_EQ(Merged("{ \"a\" : 1, \"b\" : 2 , \"c\":3 }", R"({"a":null})"),
            "{ \"b\" : 2 , \"c\":3 }");
  EXPECT_EQ(Merged("{\"a\":1 , \"b\":2}", R"({"b":null})"), "{\"a\":1}");
  EXPECT_EQ(Merged("{\"a\":1, \"b\":2, \"c\":3}", R"({"a":null,"c":null,"d":4})"),
            "{ \"b\":2,\"d\":4}");
  EXPECT_EQ(Merged("{\"a,b\":1,\"c\":2}", R"({"c":null})"), "{\"a,b\":1}");
  EXPECT_EQ(Merged("{\"c\":2,\"a,b\":1}", R"({"c":null})"), "{\"a,b\":1}");
  EXPECT_EQ(Merged(R"({"a":1,"b":2,"a":3})", R"({"a":9})"), R"({"a":9,"b":2})");
  EXPECT_EQ(Merged(R"({"a":1,"b":2,"a":3})", R"({"a":null})"), R"({"b":2})");
  EXPECT_EQ(Merged(R"({"a":1,"a":3})", R"({"b":2})"), R"({"a":1,"a":3,"b":2})");
}

TEST(JsonMerge, GoesAsDeepAsPayloadsGo) {
  std::string deep, end;
  for (uint32_t i = 1; i < kMaxDepth; ++i) {
    deep += "{\"a\":";
    end += '}';
  }
  EXPECT_EQ(Merged(deep + "1" + end, deep + "2" + end), deep + "2" + end);
}

}  // namespace
}  // namespace mend::json
