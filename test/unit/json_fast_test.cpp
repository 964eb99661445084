// The quick reader beside the careful one: what it takes, both read alike.
#include "core/base/json_fast.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "core/base/json.h"

namespace mend::json {
namespace {

// Whether the quick reader takes the whole text; where it does, the careful one must say the same.
bool Takes(std::string_view text) {
  std::vector<Token> tokens;
  FastScratch scratch;
  size_t consumed = 0;
  const bool taken = ReadFast(text, &tokens, &scratch, &consumed);
  if (!taken || consumed != text.size()) return false;
  Document careful;
  const auto failure = careful.ParseSlowly(text);
  EXPECT_FALSE(failure) << text << ": " << failure->message;
  EXPECT_EQ(tokens.size(), careful.tokens().size()) << text;
  for (size_t i = 0; i < tokens.size() && i < careful.tokens().size(); ++i) {
    const Token& a = tokens[i];
    const Token& b = careful.tokens()[i];
    EXPECT_TRUE(a.kind == b.kind && a.next == b.next && a.size == b.size && a.begin == b.begin &&
                a.end == b.end)
        << text << ", token " << i;
    if (a.kind == Kind::String || a.kind == Kind::Number) {
      EXPECT_EQ(std::string_view(a.data, a.size), std::string_view(b.data, b.size)) << text;
    }
  }
  return true;
}

TEST(JsonFast, ReadsWhatIsOrdinary) {
  for (const char* text :
       {"{}",
        "[]",
        "0",
        "-0",
        "1.50",
        "1e5",
        "-1E+05",
        "1.5e-3",
        "true",
        "false",
        "null",
        R"("")",
        R"("x")",
        R"({"a": [1, "x", {}], "b": null, "c": [true, false]})",
        R"([[[]], {"a": {"b": {}}}])",
        R"("\"\\\/\b\f\n\r\t")",
        R"("\u0041\u00e9\u20ac\ud83d\ude00 and \u0001")",
        "\"K\xC3\xB8"
        "benhavn, \xE6\x9D\xB1 \xF0\x9F\x98\x80\"",
        R"("a long text without anything in it that would stop the reader")",
        R"({"a\nb": "c\td", "a long key with an \u00e9scape": 1})",
        R"("a long text whose escape comes late \\ and more of it behind the escape")",
        " \t\r\n{ \"a\" :\n1 , \"b\" : [ 1 , 2 ] }"}) {
    EXPECT_TRUE(Takes(text)) << text;
  }
}

TEST(JsonFast, LeavesToTheOtherWhatMayBeWrong) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "[1",
                           "[1,]",
                           "{,}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{1:2}",
                           "01",
                           "-",
                           "1.",
                           ".5",
                           "1e",
                           "+1",
                           "tru",
                           "nul",
                           "\"",
                           "\"\\\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u0000\"",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\u0041\"",
                           "\"\x01\"",
                           "\"\n\"",
                           "\"\xC3\"",
                           "\"\xC0\x80\"",
                           "\"\xED\xA0\x80\"",
                           "[1 2]",
                           "{\"a\" 1}",
                           "]",
                           "[}"}) {
    EXPECT_FALSE(Takes(text)) << text;
  }
  EXPECT_FALSE(Takes(std::string(kMaxDepth + 1, '[') + std::string(kMaxDepth + 1, ']')));
  EXPECT_TRUE(Takes(std::string(kMaxDepth, '[') + std::string(kMaxDepth, ']')));
}

TEST(JsonFast, StopsBehindTheValue) {
  std::vector<Token> tokens;
  FastScratch scratch;
  size_t consumed = 0;
  ASSERT_TRUE(ReadFast(" {\"a\": 1} , 2", &tokens, &scratch, &consumed));
  EXPECT_EQ(consumed, 9u);
}

TEST(JsonFast, KeepsManyEscapedStringsOfOneText) {
  std::string text = "[";
  for (int i = 0; i < 3000; ++i)
    text += std::string(i > 0 ? "," : "") + "\"" + std::string(static_cast<size_t>(i % 50), 'x') +
            "\\n\"";
  EXPECT_TRUE(Takes(text + "]"));
}

// Texts with one byte changed, cut short or doubled: never a different reading.
TEST(JsonFast, NeverReadsOtherwiseThanTheCarefulReader) {
  const std::string seeds[] = {
      R"({"id": 17, "name": "S\u00e3o \"Paulo\" \\ \ud83d\ude00", "n": [-1.5e+10, 0, true, null, {"k": ""}]})",
      "{\"city\": \"K\xC3\xB8"
      "benhavn \xE6\x9D\xB1\xE4\xBA\xAC and a tail that is longer than one block\", \"x\": [[], "
      "{}]}"};
  std::mt19937 random(7);
  int taken = 0;
  for (int round = 0; round < 40000; ++round) {
    std::string text = seeds[round % 2];
    for (unsigned changes = random() % 3; changes <= 2; ++changes) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text[at] = static_cast<char>(random() % 256); break;
        case 1: text.erase(at, 1); break;
        case 2: text.insert(at, 1, "\"\\{}[],:0eu- tfn\x80\xC3"[random() % 19]); break;
        default: text[at] = text[random() % text.size()];
      }
    }
    taken += Takes(text) ? 1 : 0;
  }
  EXPECT_GT(taken, 1000);
}

}  // namespace
}  // namespace mend::json
