#include "core/drift/profile.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "core/drift/kind.h"

namespace mend::drift {
namespace {

void Add(Profile* profile, const std::string& text) {
  json::Document document;
  ASSERT_FALSE(document.Parse(text)) << text;
  profile->Add(document.root());
}

Profile Of(const std::vector<std::string>& values) {
  Profile profile;
  for (const std::string& value : values) Add(&profile, value);
  return profile;
}

TEST(Kind, NamesComeBack) {
  for (int i = 0; i <= static_cast<int>(Kind::Malformed); ++i) {
    const Kind kind = static_cast<Kind>(i);
    EXPECT_EQ(KindFromName(Name(kind)), kind);
  }
  EXPECT_FALSE(KindFromName("NewField"));
  EXPECT_TRUE(IsFinal(Kind::Constraint));
  EXPECT_FALSE(IsFinal(Kind::NoPartition));
  EXPECT_FALSE(IsFinal(Kind::MissingRequired));
}

TEST(Format, ReadsStrictly) {
  const std::pair<const char*, Format> cases[] = {
      {"", Format::Empty},
      {"true", Format::Boolean},
      {"True", Format::Other},
      {"-12", Format::Integer},
      {"05", Format::Other},
      {"-0", Format::Number},
      {"1e5", Format::Number},
      {" 5", Format::Other},
      {"2024-02-29", Format::Date},
      {"2023-02-29", Format::Other},
      {"2100-02-29", Format::Other},
      {"2000-02-29", Format::Date},
      {"2024-13-01", Format::Other},
      {"0000-01-01", Format::Other},
      {"20240229", Format::Integer},
      {"2024-2-9", Format::Other},
      {"02/03/2026", Format::Other},
      {"12:30", Format::Time},
      {"12:30:59.123456789", Format::Time},
      {"24:00", Format::Other},
      {"12:60", Format::Other},
      {"12:30:", Format::Other},
      {"12:30:01.", Format::Other},
      {"2024-05-01T12:00", Format::Timestamp},
      {"2024-05-01 12:00:00.5", Format::Timestamp},
      {"2024-05-01  12:00", Format::Other},
      {"2024-05-01t12:00", Format::Other},
      {"2024-05-01T12:00Z", Format::TimestampTz},
      {"2024-05-01T12:00:00+02", Format::TimestampTz},
      {"2024-05-01T12:00:00.1+0200", Format::TimestampTz},
      {"2024-05-01T12:00:00-02:30:15", Format::TimestampTz},
      {"2024-05-01T12:00:00+02:", Format::Other},
      {"2024-05-01T12:00:00+2", Format::Other},
      {"2024-05-01T12:00:00+16", Format::Other},
      {"2024-05-01T12:00:00 Z", Format::Other},
      {"2024-05-01T12:00:00 Europe/Berlin", Format::Other},
      {"2024-05-01T12", Format::Other},
      {"2024-05-01Z", Format::Other},
      {"2024-05-01T12:00:00+020", Format::Other},
      {"now", Format::Other},
      {"infinity", Format::Other},
      {"yesterday", Format::Other},
      {"550e8400-e29b-41d4-a716-446655440000", Format::Uuid},
      {"{550e8400-e29b-41d4-a716-446655440000}", Format::Other},
      {"550e8400e29b41d4a716446655440000", Format::Other},
      {"550e8400-e29b-41d4-a716-44665544000g", Format::Other}};
  for (const auto& [text, format] : cases) EXPECT_EQ(FormatOf(text), format) << text;
}

TEST(Profile, NullsAndEmptyArraysAreNoEvidence) {
  const Profile profile = Of({"null", "[]", "[null, null]", "{}"});
  EXPECT_EQ(profile.nulls(), 3);
  EXPECT_EQ(profile.rows(), 1);
  EXPECT_EQ(profile.objects(), 1);
}

TEST(Profile, SeparatesIntegersFromFractions) {
  const Profile profile = Of({"5", "5.0", "1e2", "1.25", "-9223372036854775808"});
  EXPECT_EQ(profile.integers(), 4);
  EXPECT_EQ(profile.fractions(), 1);
  EXPECT_EQ(profile.integer_bits(), 64);
  EXPECT_TRUE(profile.written_as_fraction());
  EXPECT_EQ(profile.max_scale(), 2);
  EXPECT_EQ(profile.max_integer_digits(), 19);
  EXPECT_FALSE(Of({"5"}).written_as_fraction());
  EXPECT_EQ(Of({"9223372036854775808", "1"}).integer_bits(), 0);
}

TEST(Profile, CountsCharactersNotBytes) {
  const Profile profile = Of({"\"añb\"", "\"€\"", "12345"});
  EXPECT_EQ(profile.min_length(), 1);
  EXPECT_EQ(profile.max_length(), 3);
  EXPECT_EQ(profile.max_text_length(), 5);
  EXPECT_EQ(Of({"1"}).min_length(), -1);
}

TEST(Profile, CountsScalarsOfArrays) {
  const Profile profile = Of({"[1, 70000, null]", "[\"x\"]"});
  EXPECT_EQ(profile.rows(), 2);
  EXPECT_EQ(profile.arrays(), 2);
  EXPECT_EQ(profile.integers(), 2);
  EXPECT_EQ(profile.integer_bits(), 32);
  EXPECT_EQ(profile.strings(), 1);
  EXPECT_TRUE(profile.arrays_of_scalars());
  EXPECT_FALSE(Of({"[[1]]"}).arrays_of_scalars());
  EXPECT_FALSE(Of({"[{}]"}).arrays_of_scalars());
}

const std::vector<std::string>& Samples() {
  static const auto* samples = new std::vector<std::string>{"null",
                                                            "true",
                                                            "0",
                                                            "-0",
                                                            "70000",
                                                            "1e400",
                                                            "2.50",
                                                            "9223372036854775808",
                                                            "\"\"",
                                                            "\"5\"",
                                                            "\"2024-05-01\"",
                                                            "\"2024-05-01T10:00Z\"",
                                                            "\"añb\"",
                                                            "[]",
                                                            "[1,\"x\"]",
                                                            "[[1]]",
                                                            "{}",
                                                            "\"false\"",
                                                            "9007199254740993",
                                                            "1e-400",
                                                            "\"1.5\""};
  return *samples;
}

TEST(Profile, MergeIsAssociativeCommutativeAndEqualToAdding) {
  std::mt19937 random(42);
  for (int round = 0; round < 300; ++round) {
    Profile parts[3];
    Profile all;
    for (int i = 0; i < 8; ++i) {
      const std::string& value = Samples()[random() % Samples().size()];
      Add(&parts[random() % 3], value);
      Add(&all, value);
    }
    if (round % 2 == 0) {
      parts[round % 3].AddAbsent();
      all.AddAbsent();
    }
    Profile left = parts[0];
    left.Merge(parts[1]);
    left.Merge(parts[2]);
    Profile right = parts[2];
    right.Merge(parts[1]);
    Profile grouped = parts[0];
    grouped.Merge(right);
    right.Merge(parts[0]);
    EXPECT_EQ(left.ToJson(), all.ToJson());
    EXPECT_EQ(right.ToJson(), all.ToJson());
    EXPECT_EQ(grouped.ToJson(), all.ToJson());
  }
}

TEST(Profile, TravelsAsJson) {
  Profile profile = Of(Samples());
  profile.AddAbsent();
  const std::string text = profile.ToJson();
  const std::optional<Profile> back = Profile::FromJson(text);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->ToJson(), text);
  EXPECT_EQ(back->strings(Format::Date), 1);
  EXPECT_EQ(back->absent(), 1);
  EXPECT_EQ(text.find("añb"), std::string::npos);
}

TEST(Profile, ReadsOldAndRefusesBrokenJson) {
  EXPECT_EQ(Profile::FromJson("{}")->ToJson(), Profile().ToJson());
  EXPECT_EQ(Profile::FromJson(R"({"rows":2,"later":[1]})")->rows(), 2);
  for (const char* bad :
       {"", "[]", "1", R"({"rows":-1})", R"({"rows":"1"})", R"({"rows":1.5})", R"({"rows":1e2})",
        R"({"rows":9223372036854775808})", R"({"fits_float4":1})", R"({"integer_bits":17})",
        R"({"max_scale":99999999999})", R"({"strings":{"date":-1}})", R"({"strings":[]})"}) {
    EXPECT_FALSE(Profile::FromJson(bad)) << bad;
  }
}

TEST(Profile, CountsSaturate) {
  auto profile = Profile::FromJson(
      R"({"rows":9223372036854775807,"strings":{"date":9223372036854775807,"other":9}})");
  ASSERT_TRUE(profile);
  Add(&*profile, "1");
  profile->Merge(*profile);
  EXPECT_EQ(profile->rows(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(profile->strings(), std::numeric_limits<int64_t>::max());
}

}  // namespace
}  // namespace mend::drift
