#include "core/drift/cause.h"

#include <gtest/gtest.h>

#include <set>

namespace mend::drift {
namespace {

std::vector<Cause> All() {
  std::vector<Cause> all;
  for (size_t i = 0; i < kCauses; ++i) {
    all.push_back(static_cast<Cause>(i));
  }
  return all;
}

TEST(Cause, CodesAreDistinctAndReadBack) {
  std::set<std::string_view> seen;
  for (Cause cause : All()) {
    EXPECT_TRUE(seen.insert(Code(cause)).second) << Code(cause);
    EXPECT_EQ(Code(cause).find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos);
    EXPECT_EQ(CauseFromCode(Code(cause)), cause);
  }
  EXPECT_EQ(CauseFromCode("no_such_code"), std::nullopt);
  EXPECT_EQ(CauseFromCode(""), std::nullopt);
}

TEST(Cause, PhrasesLeaveNothingOpen) {
  for (Cause cause : All()) {
    for (const char* type : {"", "integer"}) {
      for (const char* about : {"", "\"other\""}) {
        const std::string phrase = Phrase(cause, type, about);
        EXPECT_EQ(phrase.find_first_of("$|"), std::string::npos) << phrase;
        EXPECT_FALSE(phrase.empty());
      }
    }
  }
  EXPECT_EQ(Phrase(Cause::TooLong, "character(2)"), "it is too long for type character(2)");
  EXPECT_EQ(Phrase(Cause::CheckViolation, "", "\"positive\""),
            "CHECK constraint \"positive\" refuses the row");
  EXPECT_EQ(Phrase(Cause::CheckViolation), "a CHECK constraint refuses the row");
}

// What it is about comes from senders: it is data, whatever it says.
TEST(Cause, WhatItIsAboutIsNotRead) {
  EXPECT_EQ(Phrase(Cause::SameColumnTwice, "", "\"$t|$a\""),
            "key \"$t|$a\" of the payload means the same column");
}

TEST(Cause, OfTextForANumber) {
  EXPECT_EQ(CauseOfTextForNumber(""), Cause::EmptyText);
  EXPECT_EQ(CauseOfTextForNumber(" \t"), Cause::EmptyText);
  EXPECT_EQ(CauseOfTextForNumber("N/A"), Cause::WordForNone);
  EXPECT_EQ(CauseOfTextForNumber("-"), Cause::WordForNone);
  EXPECT_EQ(CauseOfTextForNumber("05"), Cause::LeadingZero);
  EXPECT_EQ(CauseOfTextForNumber("-007"), Cause::LeadingZero);
  EXPECT_EQ(CauseOfTextForNumber("00.5"), Cause::LeadingZero);
  EXPECT_EQ(CauseOfTextForNumber("0.5"), Cause::TextForNumber);
  EXPECT_EQ(CauseOfTextForNumber("99999999999"), Cause::TextForNumber);
  EXPECT_EQ(CauseOfTextForNumber("1,234.56"), Cause::NumberFormat);
  EXPECT_EQ(CauseOfTextForNumber(" 5"), Cause::NumberFormat);
  EXPECT_EQ(CauseOfTextForNumber("+5"), Cause::NumberFormat);
  EXPECT_EQ(CauseOfTextForNumber("e"), Cause::NotANumber);
  EXPECT_EQ(CauseOfTextForNumber("many"), Cause::NotANumber);
  EXPECT_EQ(CauseOfTextForNumber("2024-01-01"), Cause::NotANumber);
}

}  // namespace
}  // namespace mend::drift
