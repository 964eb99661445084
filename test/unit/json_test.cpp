#include "core/base/json.h"

#include <gtest/gtest.h>

#include <string>

namespace mend::json {
namespace {

std::string Why(std::string_view text) {
  Document document;
  const auto failure = document.Parse(text);
  EXPECT_EQ(failure.has_value(), !document.root());
  return failure ? failure->message : "";
}

bool Accepts(std::string_view text) { return Why(text).empty(); }

size_t OffsetOf(std::string_view text) {
  Document document;
  const auto failure = document.Parse(text);
  return failure ? failure->offset : std::string::npos;
}

Value Member(Value object, std::string_view name) {
  for (Value key = object.First(); key; key = object.After(key)) {
    if (key.text() == name) return object.ValueOf(key);
  }
  return {};
}

TEST(JsonParse, WritesATapeInDocumentOrder) {
  Document document;
  ASSERT_FALSE(document.Parse(R"({"a": [1, "x", {}], "b": null, "c": [true, false]})"));
  const Value root = document.root();
  EXPECT_EQ(root.kind(), Kind::Object);
  EXPECT_EQ(root.token().size, 3u);
  EXPECT_EQ(root.token().next, document.tokens().size());
  const Value a = Member(root, "a");
  EXPECT_EQ(a.token().size, 3u);
  EXPECT_EQ(a.First().text(), "1");
  EXPECT_EQ(a.After(a.First()).text(), "x");
  EXPECT_EQ(Member(root, "b").kind(), Kind::Null);
  const Value c = Member(root, "c");
  EXPECT_EQ(c.First().text(), "true");
  EXPECT_EQ(c.After(c.First()).text(), "false");
  EXPECT_FALSE(c.After(c.After(c.First())));
  EXPECT_FALSE(a.First().First());
}

TEST(JsonParse, EmptyContainersHaveNoFirst) {
  Document document;
  ASSERT_FALSE(document.Parse("[[], {}]"));
  const Value first = document.root().First();
  EXPECT_FALSE(first.First());
  EXPECT_FALSE(document.root().After(first).First());
  EXPECT_EQ(first.token().next, 2u);
}

TEST(JsonParse, DuplicateKeysAreBothOnTheTape) {
  Document document;
  ASSERT_FALSE(document.Parse(R"({"a":1,"a":2})"));
  EXPECT_EQ(document.root().token().size, 2u);
}

TEST(JsonParse, OffsetsAreThoseOfTheSource) {
  const std::string text =
      R"( {"k\u00e9y" : "a\n\"\\b" , "n":-1.50e+2,"t": true ,"f":false, "z":null,"":"", "o":{ "p":[ ] }} )";
  Document document;
  ASSERT_FALSE(document.Parse(text));
  std::vector<std::string> slices;
  for (const Token& token : document.tokens()) {
    slices.push_back(text.substr(token.begin, token.end - token.begin));
  }
  const std::vector<std::string> expected = {text.substr(1, text.size() - 2),
                                             R"("k\u00e9y")",
                                             R"("a\n\"\\b")",
                                             R"("n")",
                                             "-1.50e+2",
                                             R"("t")",
                                             "true",
                                             R"("f")",
                                             "false",
                                             R"("z")",
                                             "null",
                                             R"("")",
                                             R"("")",
                                             R"("o")",
                                             R"({ "p":[ ] })",
                                             R"("p")",
                                             "[ ]"};
  EXPECT_EQ(slices, expected);
  EXPECT_EQ(document.root().First().text(), "kéy");
  EXPECT_EQ(document.root().ValueOf(document.root().First()).text(), "a\n\"\\b");
}

TEST(JsonParse, StringsKeepTheirTextAfterOthersAreDecoded) {
  Document document;
  ASSERT_FALSE(document.Parse(R"(["\u20ac","a\\","\\\"","\ud83d\ude00",12,"\/"])"));
  std::string all;
  for (Value v = document.root().First(); v; v = document.root().After(v)) {
    all += std::string(v.text()) + "|" + v.Serialise() + " ";
  }
  EXPECT_EQ(all,
            "€|\"\\u20ac\" a\\|\"a\\\\\" \\\"|\"\\\\\\\"\" 😀|\"\\ud83d\\ude00\" 12|12 /|\"\\/\" ");
}

TEST(JsonParse, NumbersFollowTheGrammar) {
  for (const char* good : {"0", "-0", "10", "1.5", "1e5", "1E+5", "1e-5", "-0.0e0", "1e400",
                           "-1e-400", "1e99999999999999999999", "1e-99999999999999999999"}) {
    EXPECT_TRUE(Accepts(good)) << good;
    EXPECT_TRUE(Accepts("[1e400," + std::string(good) + "]")) << good;
  }
  for (const char* bad : {"01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "NaN", "Infinity", "--1",
                          "1.-5", "1e--5", "-01", "1 2", "1-2"}) {
    EXPECT_FALSE(Accepts(bad)) << bad;
    EXPECT_FALSE(Accepts("[1e400," + std::string(bad) + "]")) << bad;
    EXPECT_FALSE(Accepts("[" + std::string(bad) + ",1e400]")) << bad;
  }
}

TEST(JsonParse, NoDigitIsLost) {
  const std::string digits(100000, '7');
  const std::string text =
      "{\"a\":" + digits + ",\"b\":[0." + digits + " , 1e400, 5],\"1e9\":\"1e999\"}";
  Document document;
  ASSERT_FALSE(document.Parse(text));
  EXPECT_EQ(Member(document.root(), "a").text(), digits);
  const Value b = Member(document.root(), "b");
  EXPECT_EQ(b.First().text(), "0." + digits);
  EXPECT_EQ(b.After(b.First()).text(), "1e400");
  EXPECT_EQ(b.After(b.First()).Serialise(), "1e400");
  EXPECT_EQ(b.Serialise(), "[0." + digits + " , 1e400, 5]");
  EXPECT_EQ(Member(document.root(), "1e9").text(), "1e999");
}

TEST(JsonParse, DepthIsCapped) {
  const std::string open(kMaxDepth, '[');
  const std::string close(kMaxDepth, ']');
  EXPECT_TRUE(Accepts(open + close));
  EXPECT_EQ(Why("[" + open + close + "]"), "values are nested too deeply");
  EXPECT_EQ(Why(std::string(2000000, '[')), "values are nested too deeply");
  EXPECT_EQ(OffsetOf(std::string(2000000, '[')), kMaxDepth);
}

TEST(JsonParse, RefusesWhatPostgresCannotStore) {
  EXPECT_EQ(Why(R"(["a\u0000b"])"), "\\u0000 cannot be stored");
  EXPECT_EQ(Why(R"({"\u0000":1})"), "\\u0000 cannot be stored");
  EXPECT_FALSE(Accepts(R"(["\ud800"])"));
  EXPECT_FALSE(Accepts(R"(["\ud800\u0041"])"));
  EXPECT_FALSE(Accepts(R"(["\udc00"])"));
  EXPECT_FALSE(Accepts(R"(["\udc00\ud800"])"));
  EXPECT_TRUE(Accepts(R"(["\\u0000"])"));
}

TEST(JsonParse, ValidatesUtf8) {
  EXPECT_TRUE(Accepts("\"\xF4\x8F\xBF\xBF\""));
  for (const char* bad :
       {"\"\x80\"", "\"\xC0\x80\"", "\"\xE0\x80\x80\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"",
        "\"\xF8\x88\x80\x80\x80\"", "\"\xE2\x82\"", "\"12345678\xFF\""}) {
    EXPECT_EQ(Why(bad), "the text is not valid UTF-8") << bad;
  }
  EXPECT_EQ(OffsetOf("[\"abc\xFF\"]"), 5u);
}

TEST(JsonParse, RefusesRawControlCharactersWhereverTheyStand) {
  for (int c = 0; c <= 0x20; ++c) {
    for (size_t before = 0; before < 40; ++before) {
      const std::string text =
          "\"" + std::string(before, 'x') + static_cast<char>(c) + "yyyyyyyyyyyyyyyyyyyyyyyy\"";
      EXPECT_EQ(Accepts(text), c == 0x20) << c << " after " << before;
    }
  }
}

TEST(JsonParse, RefusesBrokenText) {
  for (const char* bad :
       {"",        "  ",          "{",          "[",     "[1",    "[1,",   "[1,]",
        "{\"a\"}", "{\"a\":}",    "{\"a\":1,}", "{a:1}", "{1:2}", "\"abc", "\"a\nb\"",
        "\"\\x\"", "\"\\u12g4\"", "tru",        "nul",   "truex", "[1}",   "{\"a\":1]",
        "1,",      "[] []",       "/**/1",      "'a'",   "]"}) {
    EXPECT_FALSE(Accepts(bad)) << bad;
  }
  EXPECT_FALSE(Accepts(std::string_view("1\0", 2)));
  EXPECT_FALSE(Accepts(std::string_view("[1\0]", 4)));
  EXPECT_FALSE(Accepts(std::string_view("\"a\0\"", 4)));
  EXPECT_FALSE(Accepts(std::string_view("\0", 1)));
  EXPECT_FALSE(Accepts("\xEF\xBB\xBF{}"));
}

TEST(JsonParse, ADocumentCanBeReusedAfterAFailure) {
  Document document;
  ASSERT_TRUE(document.Parse("[1, [2, "));
  EXPECT_FALSE(document.root());
  ASSERT_FALSE(document.Parse("[3]"));
  EXPECT_EQ(document.root().First().text(), "3");
  EXPECT_EQ(document.tokens().size(), 2u);
}

TEST(JsonPrefix, StopsBehindTheValue) {
  Document document;
  size_t used = 0;
  ASSERT_FALSE(document.ParsePrefix(" {\"a]\": \"}\\\"\"} , 5", &used));
  EXPECT_EQ(used, 14u);
  EXPECT_EQ(document.root().Serialise(), "{\"a]\": \"}\\\"\"}");
  ASSERT_FALSE(document.ParsePrefix("12]", &used));
  EXPECT_EQ(used, 2u);
  ASSERT_FALSE(document.ParsePrefix("\"x\"]", &used));
  EXPECT_EQ(used, 3u);
  ASSERT_FALSE(document.ParsePrefix("null", &used));
  EXPECT_EQ(used, 4u);
  EXPECT_TRUE(document.ParsePrefix("", &used));
  EXPECT_TRUE(document.ParsePrefix("]", &used));
  EXPECT_TRUE(document.ParsePrefix("[1}, 2]", &used));
  EXPECT_TRUE(document.ParsePrefix("{\"a\": [1, 2", &used));
  EXPECT_TRUE(document.ParsePrefix("\"abc", &used));
  EXPECT_TRUE(document.ParsePrefix("\"abc\\", &used));
}

TEST(JsonPrefix, WalksALongArrayInLinearTime) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "{\"n\": [" + std::to_string(i) + "]},";
  Document document;
  size_t at = 0;
  int count = 0;
  while (at < text.size()) {
    size_t used = 0;
    ASSERT_FALSE(document.ParsePrefix(std::string_view(text).substr(at), &used));
    at += used + 1;
    ++count;
  }
  EXPECT_EQ(count, 100000);
}

TEST(JsonBuilder, SerialisesWhatWasBuilt) {
  Document document;
  document.Open(Kind::Object);
  document.Add(Kind::String, "a\"\n");
  document.Open(Kind::Array);
  document.Add(Kind::Number, "1.50");
  document.Add(Kind::Null);
  document.Open(Kind::Object);
  document.Close();
  document.Open(Kind::Array);
  document.Close();
  document.Close();
  document.Add(Kind::String, "");
  document.Add(Kind::True);
  document.Close();
  const Value root = document.root();
  EXPECT_EQ(root.token().size, 2u);
  EXPECT_EQ(root.Serialise(), R"({"a\"\n":[1.50,null,{},[]],"":true})");
  const Value array = root.ValueOf(root.First());
  EXPECT_EQ(array.token().size, 4u);
  EXPECT_EQ(array.Serialise(), "[1.50,null,{},[]]");
  EXPECT_EQ(root.After(root.First()).text(), "");
  EXPECT_EQ(root.ValueOf(root.After(root.First())).Serialise(), "true");

  Document parsed;
  ASSERT_FALSE(parsed.Parse(root.Serialise()));
  EXPECT_EQ(parsed.tokens().size(), document.tokens().size());
}

TEST(JsonBuilder, ResetForgetsParsedText) {
  Document document;
  ASSERT_FALSE(document.Parse("[1]"));
  document.Reset();
  EXPECT_FALSE(document.root());
  document.Add(Kind::False);
  EXPECT_EQ(document.root().Serialise(), "false");
}

TEST(JsonQuote, EscapesAndRepairs) {
  std::string out;
  AppendQuoted(&out, std::string_view("a\x01\0\t\"\\é\xFF\xED\xA0\x80", 12));
  EXPECT_EQ(out, "\"a\\u0001\\u0000\\t\\\"\\\\é\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace mend::json
