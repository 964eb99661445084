#include "core/base/json_pointer.h"

#include <gtest/gtest.h>

namespace mend::json {
namespace {

Pointer PointerOf(const char* text) {
  std::string why;
  std::optional<Pointer> pointer = Pointer::Parse(text, &why);
  EXPECT_TRUE(pointer) << text << ": " << why;
  return pointer.value_or(Pointer());
}

std::string At(const char* pointer, const char* text) {
  Document document;
  EXPECT_FALSE(document.Parse(text));
  const Pointer parsed = PointerOf(pointer);
  const Pointer::Place place = parsed.Find(document.root());
  return place.twice   ? "twice " + std::string(*place.twice)
         : place.value ? place.value.Serialise()
                       : "nothing";
}

// The examples of RFC 6901, section 5.
TEST(JsonPointer, LeadsWhereTheRfcSays) {
  const char* const text = R"({"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3,
      "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8})";
  EXPECT_EQ(At("", text), text);
  EXPECT_EQ(At("/foo", text), R"(["bar", "baz"])");
  EXPECT_EQ(At("/foo/0", text), R"("bar")");
  EXPECT_EQ(At("/", text), "0");
  EXPECT_EQ(At("/a~1b", text), "1");
  EXPECT_EQ(At("/c%d", text), "2");
  EXPECT_EQ(At("/e^f", text), "3");
  EXPECT_EQ(At("/g|h", text), "4");
  EXPECT_EQ(At("/i\\j", text), "5");
  EXPECT_EQ(At("/k\"l", text), "6");
  EXPECT_EQ(At("/ ", text), "7");
  EXPECT_EQ(At("/m~0n", text), "8");
}

TEST(JsonPointer, DecodesEachTildeOnce) {
  EXPECT_EQ(At("/~01", R"({"~1": 1, "/": 2})"), "1");
  EXPECT_EQ(At("/~1~1/~0~0", R"({"//": {"~~": 3}})"), "3");
}

TEST(JsonPointer, TakesNoIndexThatIsNone) {
  EXPECT_EQ(At("/01", "[1, 2]"), "nothing");
  EXPECT_EQ(At("/-", "[1, 2]"), "nothing");
  EXPECT_EQ(At("/2", "[1, 2]"), "nothing");
  EXPECT_EQ(At("/99999999999999999999", "[1, 2]"), "nothing");
  EXPECT_EQ(At("/1", "[1, [2]]"), "[2]");
  EXPECT_EQ(At("/0/0", "[1]"), "nothing");
  EXPECT_EQ(At("/01", R"({"01": 5, "-": 6})"), "5");
  EXPECT_EQ(At("/-", R"({"01": 5, "-": 6})"), "6");
  EXPECT_EQ(At("//", R"({"": {"": 7}})"), "7");
}

TEST(JsonPointer, SaysWhichKeyIsThereTwice) {
  EXPECT_EQ(At("/a/b", R"({"a": {"b": 1, "b": 2}})"), "twice b");
  EXPECT_EQ(At("/", R"({"": 1, "": 2})"), "twice ");
  EXPECT_EQ(At("/a/b", R"({"a": {"b": 1, "c": 2, "c": 3}})"), "1");
}

TEST(JsonPointer, RefusesWhatIsNone) {
  std::string why;
  for (const char* text : {"a", "a/b", "/a~", "/~2", "~", "/a~/b"}) {
    EXPECT_FALSE(Pointer::Parse(text, &why)) << text;
  }
  EXPECT_FALSE(Pointer::Parse(std::string(Pointer::kMaxBytes + 1, '/'), &why));
  EXPECT_TRUE(Pointer::Parse(std::string(Pointer::kMaxBytes, '/'), &why));
}

}  // namespace
}  // namespace mend::json
