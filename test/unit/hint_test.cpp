#include "core/plan/hint.h"

#include <gtest/gtest.h>

namespace mend::plan {
namespace {

TEST(Hint, MatchesPatternsOfNames) {
  EXPECT_TRUE(MatchesPattern("*_at", "created_at"));
  EXPECT_TRUE(MatchesPattern("*_at", "_at"));
  EXPECT_FALSE(MatchesPattern("*_at", "created_at_2"));
  EXPECT_FALSE(MatchesPattern("*_at", "at"));
  EXPECT_TRUE(MatchesPattern("price", "price"));
  EXPECT_FALSE(MatchesPattern("price", "prices"));
  EXPECT_FALSE(MatchesPattern("price", "Price"));
  EXPECT_TRUE(MatchesPattern("*", ""));
  EXPECT_TRUE(MatchesPattern("**", "x"));
  EXPECT_FALSE(MatchesPattern("", "x"));
  EXPECT_TRUE(MatchesPattern("a*b*c", "a_b_b_c"));
  EXPECT_FALSE(MatchesPattern("a*b*c", "a_b_b"));
  EXPECT_TRUE(MatchesPattern("?_id", "ä_id"));
  EXPECT_FALSE(MatchesPattern("?_id", "ab_id"));
  EXPECT_FALSE(MatchesPattern("?", ""));
  EXPECT_TRUE(MatchesPattern("*?", "ab"));
}

TEST(Hint, TakesNoTimeForPatternsOfManyStars) {
  std::string pattern;
  for (int i = 0; i < 90; ++i) pattern += "*a";
  EXPECT_FALSE(MatchesPattern(pattern + "b", std::string(63, 'a')));
}

TEST(Hint, PrefersTheMostTelling) {
  const std::vector<Hint> hints = {{"*", {25, -1}, "text"},
                                   {"*_at", {1184, -1}, "timestamp with time zone"},
                                   {"p*e", {20, -1}, "bigint"},
                                   {"price", {1700, -1}, "numeric"},
                                   {"pr*e", {23, -1}, "integer"}};
  EXPECT_EQ(HintFor(hints, "price")->type_text, "numeric");
  EXPECT_EQ(HintFor(hints, "prime")->type_text, "integer");
  EXPECT_EQ(HintFor(hints, "pole")->type_text, "bigint");
  EXPECT_EQ(HintFor(hints, "made_at")->type_text, "timestamp with time zone");
  EXPECT_EQ(HintFor(hints, "else")->type_text, "text");
  EXPECT_EQ(HintFor({}, "else"), nullptr);
  EXPECT_EQ(HintFor({hints[1]}, "else"), nullptr);
}

}  // namespace
}  // namespace mend::plan
