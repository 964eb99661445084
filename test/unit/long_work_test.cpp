// Whatever takes long in the core can be called off, and leaves its tools fit for the next value.
#include "core/base/long_work.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "core/base/json.h"
#include "core/base/json_scan.h"
#include "core/base/number.h"
#include "core/base/utf8.h"

namespace mend::base {
namespace {

struct CalledOff {};
int asked = 0;

class LongWorkTest : public testing::Test {
 protected:
  void TearDown() override { SetHost(nullptr); }
};

std::string Repeated(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

constexpr size_t kMany = 1000000;

// Asks a host often enough, and lets it end the work by an exception.
void CanBeCalledOff(const char* what, const std::function<void()>& work) {
  asked = 0;
  SetHost([] { ++asked; });
  work();
  EXPECT_GE(asked, 3) << what;
  asked = 0;
  SetHost([] {
    if (++asked == 2) throw CalledOff();
  });
  EXPECT_THROW(work(), CalledOff) << what;
  EXPECT_EQ(asked, 2) << what;
}

TEST_F(LongWorkTest, ReadingJson) {
  json::Document document;
  const std::pair<const char*, std::string> texts[] = {
      {"elements", "[" + Repeated("1,", kMany) + "1]"},
      {"members", "{" + Repeated("\"a\":1,", kMany) + "\"a\":1}"},
      {"beyond ASCII", "\"" + Repeated("\xC3\xA9", kMany) + "\""},
      {"escapes", "\"" + Repeated("\\u00e9", kMany) + "\""},
      {"ASCII between escapes", "\"\\n" + Repeated("x\\n", kMany) + "\""},
  };
  for (const auto& [what, read] : texts) {
    const std::string& text = read;  // C++17 lets no lambda capture a structured binding
    CanBeCalledOff(what, [&] { document.Parse(text); });
    CanBeCalledOff(what, [&] { document.ParseSlowly(text); });
    size_t consumed = 0;
    CanBeCalledOff(what, [&] { document.ParsePrefix(text, &consumed); });
    ASSERT_FALSE(document.Parse("[1, \"\\n\"]")) << what;
    EXPECT_EQ(document.tokens().size(), 3u) << what;
    EXPECT_EQ(document.root().Serialise(), "[1, \"\\n\"]") << what;
  }
}

TEST_F(LongWorkTest, WritingJson) {
  json::Document document;
  document.Open(json::Kind::Array);
  for (size_t i = 0; i < kMany; ++i) document.Add(json::Kind::Null);
  document.Close();
  CanBeCalledOff("a tape", [&] { (void)document.root().Serialise(); });
  const std::string text(kMany, 'x');
  CanBeCalledOff("a string", [&] {
    std::string out;
    json::AppendQuoted(&out, text);
  });
}

TEST_F(LongWorkTest, LookingAtText) {
  const std::string accents = Repeated("\xC3\xA9", kMany);
  CanBeCalledOff("UTF-8", [&] { ValidUtf8Prefix(accents); });
  const std::string brackets = Repeated("[", kMany) + Repeated("]", kMany);
  CanBeCalledOff("the end of a value", [&] { json::ValueEnd(brackets); });
  std::string hidden = Repeated("1,", kMany);
  const std::string source = hidden;
  CanBeCalledOff("numbers", [&] { json::HideNumbers(source, &hidden); });
  const std::string small = "0." + Repeated("0", kMany) + "1", large = "1" + Repeated("0", kMany);
  CanBeCalledOff("leading zeros", [&] { (void)Analyse(small); });
  CanBeCalledOff("trailing zeros", [&] { (void)Analyse(large); });
}

TEST_F(LongWorkTest, ShortWorkAsksNobody) {
  asked = 0;
  SetHost([] { ++asked; });
  json::Document document;
  EXPECT_FALSE(document.Parse("{\"a\": [1, 2, \"\\u00e9\"]}"));
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace mend::base
