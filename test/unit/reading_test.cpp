// Readings: what they claim, what they make of it, and that they never change a value.
#include "core/reading/reading.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <random>

#include "core/reading/forms.h"
#include "core/reading/notation.h"
#include "core/reading/reader.h"

namespace mend::reading {
namespace {

// Two hours east in July of 2024, one otherwise; no hour 2 on 31 March, two on 27 October.
bool Berlin(const std::string& zone, const LocalTime& time, int* seconds_east) {
  if (zone != "Europe/Berlin") return false;
  if (time.month == 3 && time.day == 31 && time.hour == 2) return false;
  if (time.month == 10 && time.day == 27 && time.hour == 2) return false;
  *seconds_east = time.month == 7 ? 7200 : 3600;
  return true;
}

// What a column of the family takes in the place of the JSON value; "-" where nothing is claimed.
class Readers {
 public:
  std::string Read(const std::string& readings, Family family, const std::string& json,
                   bool utc_clock = true) {
    const base::Result<Readings> all = Parse(readings);
    if (!all) return all.error().message;
    json::Document document;
    if (document.Parse(json)) return "no JSON";
    for (const Reading& reading : *all) {
      const json::Value value = reader_.Read(reading, *all, family, utc_clock, document.root());
      if (value) return value.Serialise();
    }
    return "-";
  }

  // The text of one string, without JSON around it.
  const std::string& Of(const Reading& reading, Family family, std::string_view text) {
    document_.Reset();
    document_.Add(json::Kind::String, text);
    const json::Value value = reader_.Read(reading, {}, family, true, document_.root());
    result_ = value ? std::string(value.text()) : std::string();
    return result_;
  }
  const std::string& OfNumber(const Reading& reading, Family family, std::string_view text) {
    document_.Reset();
    document_.Add(json::Kind::Number, text);
    const json::Value value = reader_.Read(reading, {}, family, true, document_.root());
    result_ = value ? std::string(value.text()) : std::string();
    return result_;
  }

  bool IsNull(const Reading& reading, std::string_view text) {
    document_.Reset();
    document_.Add(json::Kind::String, text);
    const json::Value value = reader_.Read(reading, {}, Family::Number, true, document_.root());
    return value && value.kind() == json::Kind::Null;
  }

 private:
  Reader reader_{Berlin};
  json::Document document_;
  std::string result_;
};

std::string PrintedOf(std::string_view text) {
  const base::Result<Readings> parsed = Parse(text);
  return parsed ? Print(*parsed) : parsed.error().message;
}

TEST(Reading, ListsAreParsedAndPrinted) {
  EXPECT_EQ(PrintedOf("number"), "number");
  EXPECT_EQ(PrintedOf("  null_if ( \"\" ,\"N/A\") | number_comma\n"),
            "null_if(\"\", \"N/A\"), number_comma");
  EXPECT_EQ(PrintedOf("boolean(\"Y\",\"y\"|\"N\")"), "boolean(\"Y\", \"y\" | \"N\")");
  EXPECT_EQ(PrintedOf("time_zone(\"Europe/Berlin\"),date_dmy"),
            "time_zone(\"Europe/Berlin\"), date_dmy");
  EXPECT_EQ(PrintedOf("null_if(\"a\\\"b\\u00e4\")"), "null_if(\"a\\\"b\u00e4\")");
  for (size_t i = 0; i < kKinds; ++i) {
    const auto kind = static_cast<Kind>(i);
    const std::string words = kind == Kind::NullIf     ? "(\"x\")"
                              : kind == Kind::Boolean  ? "(\"a\" | \"b\")"
                              : kind == Kind::TimeZone ? "(\"UTC\")"
                                                       : "";
    const std::string text = std::string(Name(kind)) + words;
    EXPECT_EQ(PrintedOf(text), text);
  }
}

TEST(Reading, WhatIsNoListIsRefusedWithAHint) {
  for (const char* wrong : {"",
                            " ",
                            ",",
                            "number,",
                            "numbr",
                            "number()",
                            "number number",
                            "null_if",
                            "null_if()",
                            "null_if(N/A)",
                            "null_if(\"a\"",
                            "null_if(\"a\" | \"b\")",
                            "null_if(\"a\", \"a\")",
                            "null_if('a')",
                            "boolean(\"Y\")",
                            "boolean(\"Y\", \"N\")",
                            "boolean(\"Y\" | \"Y\")",
                            "boolean(| \"N\")",
                            "time_zone(\"a\", \"b\")",
                            "number, number",
                            "NUMBER",
                            "null_if(7)",
                            "date_dmy; DROP TABLE t"}) {
    const base::Result<Readings> parsed = Parse(wrong);
    ASSERT_FALSE(parsed.ok()) << wrong;
    EXPECT_EQ(parsed.error().sqlstate, "22023");
    EXPECT_NE(parsed.error().hint.find("number_comma"), std::string::npos);
  }
  EXPECT_FALSE(Parse("null_if(\"" + std::string(kMaxWordBytes + 1, 'x') + "\")").ok());
}

TEST(Reading, JoinedKeepsEachOnce) {
  const auto joined = [](const char* held, const char* more) {
    return Print(Joined(*Parse(held), *Parse(more)));
  };
  EXPECT_EQ(joined("null_if(\"\")", "number, null_if(\"\", \"-\")"),
            "null_if(\"\", \"-\"), number");
  EXPECT_EQ(joined("boolean(\"Y\" | \"N\")", "boolean(\"J\" | \"N\")"), "boolean(\"J\" | \"N\")");
}

TEST(Reading, EveryReadingSuitsSomeTypeAndEveryFamilyKnowsIts) {
  for (size_t i = 0; i < kKinds; ++i) {
    bool suits = false;
    for (size_t f = 0; f < kFamilies; ++f) {
      const auto family = static_cast<Family>(f);
      const bool suits_this = Suits(static_cast<Kind>(i), family);
      suits = suits || suits_this;
      EXPECT_EQ(
          (", " + NamesFor(family) + ",")
                  .find(", " + std::string(Name(static_cast<Kind>(i))) + ",") != std::string::npos,
          suits_this);
    }
    EXPECT_TRUE(suits) << Name(static_cast<Kind>(i));
  }
  EXPECT_FALSE(Suits(Kind::NullIf, Family::Text));
}

struct Case {
  const char* readings;
  Family family;
  const char* json;
  const char* read;
};

constexpr Case kCases[] = {
    {R"(null_if("", "N/A"))", Family::Number, R"("")", "null"},
    {R"(null_if("", "N/A"))", Family::Number, R"("N/A")", "null"},
    {R"(null_if("", "N/A"))", Family::Number, R"("n/a")", "-"},
    {R"(null_if("", "N/A"))", Family::Number, R"(" ")", "-"},
    {R"(null_if("-999"))", Family::Date, "-999", "null"},
    {R"(null_if("false"))", Family::Number, "false", "null"},
    {R"(null_if("{}"))", Family::Number, R"({"a":1})", "-"},

    {"epoch_s", Family::TimestampTz, "0", R"("1970-01-01T00:00:00Z")"},
    {"epoch_s", Family::TimestampTz, "1700000000", R"("2023-11-14T22:13:20Z")"},
    {"epoch_s", Family::TimestampTz, R"("1700000000")", R"("2023-11-14T22:13:20Z")"},
    {"epoch_s", Family::TimestampTz, "1700000000.25", R"("2023-11-14T22:13:20.25Z")"},
    {"epoch_s", Family::TimestampTz, "1.7e9", R"("2023-11-14T22:13:20Z")"},
    {"epoch_s", Family::TimestampTz, "1700000000.0000001", "-"},
    {"epoch_s", Family::TimestampTz, "-1", R"("1969-12-31T23:59:59Z")"},
    {"epoch_s", Family::TimestampTz, "1e300", "-"},
    {"epoch_s", Family::TimestampTz, "253402300800", "-"},
    {"epoch_s", Family::TimestampTz, R"(" 1700000000")", "-"},
    {"epoch_s", Family::TimestampTz, "true", "-"},
    {"epoch_s", Family::Timestamp, "1700000000", R"("2023-11-14T22:13:20")"},
    {"epoch_s", Family::Date, "1700000000", "-"},
    {"epoch_s", Family::Date, "1699920000", R"("2023-11-14")"},
    {"epoch_ms", Family::TimestampTz, "1700000000123", R"("2023-11-14T22:13:20.123Z")"},
    {"epoch_ms", Family::TimestampTz, "-1", R"("1969-12-31T23:59:59.999Z")"},
    {"epoch_us", Family::TimestampTz, "1700000000123456", R"("2023-11-14T22:13:20.123456Z")"},
    {"epoch_us", Family::TimestampTz, "1700000000123456.5", "-"},
    {"epoch_ns", Family::TimestampTz, "1700000000123456000", R"("2023-11-14T22:13:20.123456Z")"},
    {"epoch_ns", Family::TimestampTz, "1700000000123456789", "-"},
    {"epoch_ns", Family::TimestampTz, "1", "-"},
    {"epoch_days", Family::Date, "19675", R"("2023-11-14")"},
    {"epoch_days", Family::Date, "-719162", R"("0001-01-01")"},
    {"epoch_days", Family::Date, "-719163", "-"},
    {"epoch_days", Family::Date, "19675.5", "-"},
    {"epoch_days", Family::Date, "99999999999999999", "-"},

    {"number", Family::Number, R"(" 5 ")", "5"},
    {"number", Family::Number, R"("007")", "7"},
    {"number", Family::Number, R"("-007.50")", "-7.50"},
    {"number", Family::Number, R"("+5")", "5"},
    {"number", Family::Number, R"("102.0")", "102.0"},
    {"number", Family::Number, R"(".5")", "0.5"},
    {"number", Family::Number, R"("5.")", "5"},
    {"number", Family::Number, R"("-0")", "0"},
    {"number", Family::Number, R"("+1.5E+03")", "1.5E+03"},
    {"number", Family::Number, R"("1,5")", "-"},
    {"number", Family::Number, R"("1 000")", "-"},
    {"number", Family::Number, R"(".")", "-"},
    {"number", Family::Number, R"("")", "-"},
    {"number", Family::Number, R"("--5")", "-"},
    {"number", Family::Number, R"("1e")", "-"},
    {"number", Family::Number, R"("0x10")", "-"},
    {"number", Family::Number, R"("12a")", "-"},
    {"number", Family::Number, "\"\u00a05\u202f\"", "5"},
    {"number", Family::Number, "5", "-"},

    {"number_comma", Family::Number, R"("1.234,56")", "1234.56"},
    {"number_comma", Family::Number, R"("1.234")", "1234"},
    {"number_comma", Family::Number, R"("1,234")", "1.234"},
    {"number_comma", Family::Number, R"("1.234.567,8")", "1234567.8"},
    {"number_comma", Family::Number, R"("12.34,5")", "-"},
    {"number_comma", Family::Number, R"("12.34")", "-"},
    {"number_comma", Family::Number, R"("1234.567")", "-"},
    {"number_comma", Family::Number, R"("0.123")", "-"},
    {"number_comma", Family::Number, R"("1.234 567")", "-"},
    {"number_comma", Family::Number, R"("1,234.56")", "-"},
    {"number_comma", Family::Number, R"("1,2,3")", "-"},
    {"number_comma", Family::Number, R"("1 234,56")", "1234.56"},
    {"number_comma", Family::Number, "\"1\u202f234,56\"", "1234.56"},
    {"number_comma", Family::Number, "\"1\u00a0234\u00a0567\"", "1234567"},
    {"number_comma", Family::Number, "\"-1\u2019234,5\"", "-1234.5"},
    {"number_comma", Family::Number, R"(",5")", "0.5"},
    {"number_comma", Family::Number, R"("0,5")", "0.5"},
    {"number_comma", Family::Number, R"("+0012,50")", "12.50"},
    {"number_comma", Family::Number, R"("1.2345")", "-"},
    {"number_comma", Family::Number, R"("1..234")", "-"},
    {"number_comma", Family::Number, R"(".234")", "-"},
    {"number_comma", Family::Number, R"("1.234,")", "1234"},
    {"number_comma", Family::Number, "1.234", "-"},
    {"number_point", Family::Number, R"("1,234.56")", "1234.56"},
    {"number_point", Family::Number, R"("1,234")", "1234"},
    {"number_point", Family::Number, R"("1.234")", "1.234"},
    {"number_point", Family::Number, R"("1'234.56")", "1234.56"},
    {"number_point", Family::Number, R"("12,34")", "-"},
    {"number_point", Family::Number, R"("1.234,56")", "-"},
    {"number_point", Family::Number, R"("1,234,56")", "-"},
    {"number_point", Family::Number, R"("0,123")", "-"},

    {R"(boolean("Y", "J" | "N"))", Family::Boolean, R"("Y")", "true"},
    {R"(boolean("Y", "J" | "N"))", Family::Boolean, R"("J")", "true"},
    {R"(boolean("Y", "J" | "N"))", Family::Boolean, R"("N")", "false"},
    {R"(boolean("Y" | "N"))", Family::Boolean, R"("y")", "-"},
    {R"(boolean("1" | "0"))", Family::Boolean, "1", "true"},
    {R"(boolean("1" | "0"))", Family::Boolean, R"("0")", "false"},
    {R"(boolean("1" | "0"))", Family::Boolean, "2", "-"},

    {"date_dmy", Family::Date, R"("31.12.2023")", R"("2023-12-31")"},
    {"date_dmy", Family::Date, R"("1/2/2024")", R"("2024-02-01")"},
    {"date_dmy", Family::Date, R"("31. 12. 2023")", R"("2023-12-31")"},
    {"date_dmy", Family::Date, R"("31122023")", R"("2023-12-31")"},
    {"date_dmy", Family::Date, R"("31.12.23")", "-"},
    {"date_dmy", Family::Date, R"("31/12-2023")", "-"},
    {"date_dmy", Family::Date, R"("12/31/2023")", "-"},
    {"date_dmy", Family::Date, R"("29.02.2023")", "-"},
    {"date_dmy", Family::Date, R"("29.02.2024")", R"("2024-02-29")"},
    {"date_dmy", Family::Date, R"("31.12.2023 10:00")", "-"},
    {"date_dmy", Family::Date, "31122023", "-"},
    {"date_mdy", Family::Date, R"("1/2/2024")", R"("2024-01-02")"},
    {"date_mdy", Family::Date, R"("13/1/2024")", "-"},
    {"date_mdy", Family::Date, R"("12312023")", R"("2023-12-31")"},
    {"date_ymd", Family::Date, R"("20231231")", R"("2023-12-31")"},
    {"date_ymd", Family::Date, "20231231", R"("2023-12-31")"},
    {"date_ymd", Family::Date, "20231301", "-"},
    {"date_ymd", Family::Date, "20231231.0", "-"},
    {"date_ymd", Family::Date, R"("2023/12/31")", R"("2023-12-31")"},
    {"date_ymd", Family::Date, R"("2023-1-5")", R"("2023-01-05")"},
    {"date_ymd", Family::Date, R"("0000-01-01")", "-"},
    {"date_mdy", Family::Timestamp, R"("1/2/2024 3:04 PM")", R"("2024-01-02T15:04:00")"},
    {"date_mdy", Family::Timestamp, R"("1/2/2024, 12:04:05 am")", R"("2024-01-02T00:04:05")"},
    {"date_mdy", Family::Timestamp, R"("1/2/2024 13:04 PM")", "-"},
    {"date_mdy", Family::Timestamp, R"("1/2/2024 0:04 PM")", "-"},
    {"date_dmy", Family::Timestamp, R"("31.12.2023 23:59:59,5")", R"("2023-12-31T23:59:59.5")"},
    {"date_dmy", Family::Timestamp, R"("31.12.2023 24:00")", "-"},
    {"date_dmy", Family::Timestamp, R"("31.12.2023 23:59:60")", "-"},
    {"date_dmy", Family::Timestamp, R"("31.12.2023 23:59:59.1234567")", "-"},
    {"date_dmy", Family::Timestamp, R"("31.12.2023 23:59:59.1234560")",
     R"("2023-12-31T23:59:59.123456")"},
    {"date_ymd", Family::TimestampTz, R"("20231231T235959Z")", R"("2023-12-31T23:59:59+00:00")"},
    {"date_ymd", Family::Timestamp, R"("20231231235959")", R"("2023-12-31T23:59:59")"},
    {"date_dmy", Family::TimestampTz, R"("31.12.2023 10:00 +0530")",
     R"("2023-12-31T10:00:00+05:30")"},
    {"date_dmy", Family::TimestampTz, R"("31.12.2023 10:00")", R"("2023-12-31T10:00:00")"},
    {R"(date_dmy, time_zone("Europe/Berlin"))", Family::TimestampTz, R"("31.12.2023 10:00")",
     R"("2023-12-31T10:00:00+01:00")"},
    {R"(time_zone("Europe/Berlin"))", Family::TimestampTz, R"("2024-07-01T10:00:00.5")",
     R"("2024-07-01T10:00:00.5+02:00")"},
    {R"(time_zone("Europe/Berlin"))", Family::TimestampTz, R"("2024-07-01")",
     R"("2024-07-01T00:00:00+02:00")"},
    {R"(time_zone("Europe/Berlin"))", Family::TimestampTz, R"("2024-03-31 02:30")", "-"},
    {R"(time_zone("Europe/Berlin"))", Family::TimestampTz, R"("2024-10-27 02:30")", "-"},
    {R"(time_zone("Europe/Berlin"))", Family::TimestampTz, R"("01.07.2024 10:00")", "-"},

    {"base64", Family::Bytea, R"("aGVsbG8=")", R"("\\x68656c6c6f")"},
    {"base64", Family::Bytea, R"("aGVsbG8")", "-"},
    {"base64", Family::Bytea, R"("aGVsbG9=")", "-"},
    {"base64", Family::Bytea, R"("aGV-")", "-"},
    {"base64", Family::Bytea, R"("")", "-"},
    {"base64", Family::Bytea, R"("====")", "-"},
    {"base64", Family::Bytea, R"("aG=s")", "-"},
    {"base64url", Family::Bytea, R"("_-8")", R"("\\xffef")"},
    {"base64url", Family::Bytea, R"("_-8=")", R"("\\xffef")"},
    {"base64url", Family::Bytea, R"("/+8=")", "-"},
    {"base64url", Family::Bytea, R"("_-9")", "-"},
    {"hex", Family::Bytea, R"("00fF")", R"("\\x00fF")"},
    {"hex", Family::Bytea, R"("0x00ff")", R"("\\x00ff")"},
    {"hex", Family::Bytea, R"("0ff")", "-"},
    {"hex", Family::Bytea, R"("0x")", "-"},
    {"hex", Family::Bytea, R"("0g")", "-"},

    {"json_text", Family::Text, R"({"a": [1, 2.50]})", R"("{\"a\": [1, 2.50]}")"},
    {"json_text", Family::Text, R"("a")", "-"},
    {"parse_json", Family::Json, R"("{\"a\": [1, 2.50]}")", R"({"a": [1, 2.50]})"},
    {"parse_json", Family::Json, R"("[]")", "[]"},
    {"parse_json", Family::Json, R"("5")", "-"},
    {"parse_json", Family::Json, R"("{\"a\": ")", "-"},
    {"parse_json", Family::Json, R"("{\"a\": \"\\u0000\"}")", "-"},

    {"extended_json", Family::Text, R"({"$oid": "507f1f77bcf86cd799439011"})",
     R"("507f1f77bcf86cd799439011")"},
    {"extended_json", Family::Bytea, R"({"$oid": "507f1f77bcf86cd799439011"})",
     R"("\\x507f1f77bcf86cd799439011")"},
    {"extended_json", Family::Text, R"({"$oid": "507f"})", "-"},
    {"extended_json", Family::Text, R"({"$oid": "507f1f77bcf86cd799439011", "x": 1})", "-"},
    {"extended_json", Family::Number, R"({"$numberLong": "9223372036854775807"})",
     "9223372036854775807"},
    {"extended_json", Family::Number, R"({"$numberInt": "5"})", "5"},
    {"extended_json", Family::Number, R"({"$numberInt": "5.5"})", "-"},
    {"extended_json", Family::Number, R"({"$numberInt": "05"})", "-"},
    {"extended_json", Family::Number, R"({"$numberDouble": "1.50"})", "1.50"},
    {"extended_json", Family::Number, R"({"$numberDouble": "NaN"})", R"("NaN")"},
    {"extended_json", Family::Number, R"({"$numberDecimal": "1E+3"})", "1E+3"},
    {"extended_json", Family::Text, R"({"$numberDecimal": "1.50"})", R"("1.50")"},
    {"extended_json", Family::TimestampTz, R"({"$date": "2023-11-14T22:13:20.123Z"})",
     R"("2023-11-14T22:13:20.123Z")"},
    {"extended_json", Family::TimestampTz, R"({"$date": {"$numberLong": "1700000000123"}})",
     R"("2023-11-14T22:13:20.123Z")"},
    {"extended_json", Family::TimestampTz, R"({"$date": 1700000000123})",
     R"("2023-11-14T22:13:20.123Z")"},
    {"extended_json", Family::TimestampTz, R"({"$date": "2023-11-14T22:13:20"})", "-"},
    {"extended_json", Family::Date, R"({"$date": "2023-11-14T00:00:00Z"})", R"("2023-11-14")"},
    {"extended_json", Family::Bytea, R"({"$binary": {"base64": "aGk=", "subType": "00"}})",
     R"("\\x6869")"},
    {"extended_json", Family::Uuid,
     R"({"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAQ==", "subType": "04"}})",
     R"("00000000000000000000000000000001")"},
    {"extended_json", Family::Uuid,
     R"({"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAQ==", "subType": "03"}})", "-"},
    {"extended_json", Family::Uuid, R"({"$uuid": "00000000-0000-0000-0000-000000000001"})",
     R"("00000000-0000-0000-0000-000000000001")"},
    {"extended_json", Family::Number, R"({"a": 5})", "-"},
    {"extended_json", Family::Number, "5", "-"},

    {R"(null_if("-"), number_comma)", Family::Number, R"("-")", "null"},
    {R"(null_if("-"), number_comma)", Family::Number, R"("-1,5")", "-1.5"},
};

TEST(Reading, ClaimsWhatItSaysAndNothingElse) {
  Readers readers;
  for (const Case& c : kCases) {
    EXPECT_EQ(readers.Read(c.readings, c.family, c.json), c.read) << c.readings << " of " << c.json;
  }
  EXPECT_EQ(readers.Read("epoch_s", Family::Timestamp, "0", false), R"("1970-01-01T00:00:00Z")");
}

// The reading that rules would suggest for a class of such values; "-" where none or several would
// do.
std::string Suggested(Family family, std::initializer_list<const char*> values) {
  std::vector<FormCount> counts;
  for (const char* json : values) {
    json::Document document;
    if (document.Parse(json)) return "no JSON";
    std::vector<Form> forms;
    AppendForms(document.root(), &forms);
    for (Form form : forms) {
      auto at = std::find_if(counts.begin(), counts.end(),
                             [&](const FormCount& one) { return one.form == form; });
      if (at == counts.end()) {
        counts.push_back({form, 1});
      } else {
        ++at->count;
      }
    }
  }
  const std::optional<Reading> only =
      OnlyReading(family, static_cast<int64_t>(values.size()), counts);
  return only ? Print(*only) : "-";
}

TEST(ReadingForms, OnlyOneThatTakesAllIsSuggested) {
  EXPECT_EQ(Suggested(Family::Number, {R"("1.234,56")"}), "number_comma");
  EXPECT_EQ(Suggested(Family::Number, {R"("1,234.56")", R"("1,234")"}), "number_point");
  EXPECT_EQ(Suggested(Family::Number, {R"("1,234")"}), "-");
  EXPECT_EQ(Suggested(Family::Number, {R"("1,234")", R"("0,5")"}), "number_comma");
  EXPECT_EQ(Suggested(Family::Number, {R"("1.234,56")", R"("1,234.56")"}), "-");
  EXPECT_EQ(Suggested(Family::Number, {R"("+5")", R"(" 7 ")"}), "number");
  EXPECT_EQ(Suggested(Family::Number, {R"("+1.234")"}), "-");
  EXPECT_EQ(Suggested(Family::Number, {R"("")"}), R"(null_if(""))");
  EXPECT_EQ(Suggested(Family::Number, {R"("N/A")", R"("-")", R"("N/A")"}),
            R"(null_if("N/A", "-"))");
  EXPECT_EQ(Suggested(Family::Number, {R"("N/A")", R"("5,5")"}), "-");
  EXPECT_EQ(Suggested(Family::Number, {R"("なし")", R"("不明")"}), R"(null_if("なし", "不明"))");
  EXPECT_EQ(Suggested(Family::Number, {R"({"$numberLong": "5"})"}), "extended_json");
  EXPECT_EQ(Suggested(Family::Number, {R"({"$oid": "507f1f77bcf86cd799439011"})"}), "-");
  EXPECT_EQ(Suggested(Family::TimestampTz, {"1700000000"}), "epoch_s");
  EXPECT_EQ(Suggested(Family::TimestampTz, {"1700000000123", "1700000000124"}), "epoch_ms");
  EXPECT_EQ(Suggested(Family::TimestampTz, {"1700000000123456000"}), "epoch_ns");
  EXPECT_EQ(Suggested(Family::TimestampTz, {"1700000000", "1700000000123"}), "-");
  EXPECT_EQ(Suggested(Family::TimestampTz, {"12"}), "-");
  EXPECT_EQ(Suggested(Family::Timestamp, {R"("31.12.2023 10:00")"}), "date_dmy");
  EXPECT_EQ(Suggested(Family::TimestampTz, {R"("31.12.2023 10:00")"}), "-");
  EXPECT_EQ(Suggested(Family::TimestampTz, {R"("31.12.2023 10:00Z")"}), "date_dmy");
  EXPECT_EQ(Suggested(Family::Date, {R"("01/02/2024")"}), "-");
  EXPECT_EQ(Suggested(Family::Date, {R"("01/02/2024")", R"("01/13/2024")"}), "date_mdy");
  EXPECT_EQ(Suggested(Family::Date, {"20240131", "20240201"}), "date_ymd");
  EXPECT_EQ(Suggested(Family::Date, {"19675"}), "epoch_days");
  EXPECT_EQ(Suggested(Family::Date, {R"("0000-00-00")"}), R"(null_if("0000-00-00"))");
  EXPECT_EQ(Suggested(Family::Boolean, {R"("Y")", R"("N")"}), R"(boolean("Y" | "N"))");
  EXPECT_EQ(Suggested(Family::Boolean, {R"("J")", R"("N")"}), R"(boolean("J" | "N"))");
  EXPECT_EQ(Suggested(Family::Boolean, {R"("N")"}), "-");
  EXPECT_EQ(Suggested(Family::Boolean, {"1", "0"}), R"(boolean("1" | "0"))");
  EXPECT_EQ(Suggested(Family::Boolean, {R"("да")", R"("нет")"}), R"(boolean("да" | "нет"))");
  EXPECT_EQ(Suggested(Family::Bytea, {R"("aGVsbG8gd29ybGQ=")"}), "base64");
  EXPECT_EQ(Suggested(Family::Bytea, {R"("deadbeefdeadbeef")"}), "-");
  EXPECT_EQ(Suggested(Family::Bytea, {R"("test")"}), "-");
  EXPECT_EQ(Suggested(Family::Text, {R"("")"}), "-");
  EXPECT_EQ(Suggested(Family::Text, {R"({"$oid": "507f1f77bcf86cd799439011"})"}), "extended_json");
  EXPECT_EQ(Suggested(Family::Other, {R"("")"}), R"(null_if(""))");
}

TEST(ReadingForms, CodesReadBack) {
  for (int i = 0; i < 256; ++i) {
    const std::optional<Form> form = FormFromCode(i < 3 ? Code(static_cast<Form>(i)) : "nothing");
    EXPECT_EQ(form.has_value(), i < 3);
  }
  EXPECT_EQ(FormFromCode(R"(null_if("N/A"))").has_value(), true);
}

// The text as the convention writes it: groups by the separator given, or none.
std::string Written(std::string whole, const std::string& fraction, const std::string& separator,
                    char point) {
  for (int at = static_cast<int>(whole.size()) - 3; at > 0 && !separator.empty(); at -= 3) {
    whole.insert(static_cast<size_t>(at), separator);
  }
  return fraction.empty() ? whole : whole + point + fraction;
}

constexpr int kValues = 1000000;

TEST(ReadingInverse, NumbersComeBackAsTheyWereWritten) {
  std::mt19937_64 random(1);
  Readers readers;
  const Reading comma{Kind::NumberComma, {}, 0}, point{Kind::NumberPoint, {}, 0},
      plain{Kind::Number, {}, 0};
  const std::string comma_separators[] = {"", ".", " ", "'", "\u00a0", "\u202f"};
  const std::string point_separators[] = {"", ",", " ", "'", "\u00a0", "\u202f"};
  for (int i = 0; i < kValues; ++i) {
    std::string whole = std::to_string(random() >> (random() % 64));
    std::string fraction;
    for (uint64_t n = random() % 6; n > 0; --n) fraction += static_cast<char>('0' + random() % 10);
    const std::string sign = random() % 4 == 0 ? "-" : "";
    std::string number = fraction.empty() ? whole : whole + "." + fraction;
    if (number.find_first_not_of("0.") != std::string::npos) number.insert(0, sign);
    const uint64_t which = random() % 6;
    ASSERT_EQ(readers.Of(comma, Family::Number,
                         sign + Written(whole, fraction, comma_separators[which], ',')),
              number);
    ASSERT_EQ(readers.Of(point, Family::Number,
                         sign + Written(whole, fraction, point_separators[which], '.')),
              number);
    ASSERT_EQ(
        readers.Of(plain, Family::Number, " " + sign + "00" + Written(whole, fraction, "", '.')),
        number);
  }
}

// Whatever is claimed of texts that are nearly numbers is, written by the convention again, the
// text.
TEST(ReadingInverse, NoTextIsReadAsAnotherNumber) {
  std::mt19937_64 random(2);
  Readers readers;
  constexpr std::string_view kAlphabet = "0123456789012345,,..' +-e";
  int64_t claimed = 0;
  std::string text;
  for (int i = 0; i < 3 * kValues; ++i) {
    text.clear();
    for (uint64_t n = random() % 10; n > 0; --n) text += kAlphabet[random() % kAlphabet.size()];
    for (const Kind kind : {Kind::NumberComma, Kind::NumberPoint}) {
      std::string number = readers.Of({kind, {}, 0}, Family::Number, text);
      if (number.empty()) continue;
      ++claimed;
      const char decimal = kind == Kind::NumberComma ? ',' : '.';
      std::string body(WithoutBlanks(text));
      const bool negative = body[0] == '-';
      if (negative || body[0] == '+') body.erase(0, 1);
      if (number[0] == '-') number.erase(0, 1);
      const size_t dot = number.find('.');
      const std::string whole = number.substr(0, dot);
      const std::string fraction = dot == std::string::npos ? "" : number.substr(dot + 1);
      // The separator is the first character that is neither a digit nor the decimal mark.
      const size_t at = body.find_first_not_of("0123456789");
      const bool grouped = at != std::string::npos && body[at] != decimal;
      std::string again =
          Written(whole, fraction, grouped ? std::string(1, body[at]) : "", decimal);
      if (!grouped) {
        body.erase(0, std::min(body.find_first_not_of('0'), body.size()));
        again.erase(0, std::min(again.find_first_not_of('0'), again.size()));
        if (!body.empty() && body.back() == decimal) body.pop_back();
      } else if (body.back() == decimal) {
        body.pop_back();
      }
      ASSERT_EQ(body, again) << text << " by " << Name(kind);
    }
  }
  EXPECT_GT(claimed, 100000);
}

// Seconds since 1970 of an ISO text, by the C library.
int64_t SecondsOf(const std::string& iso) {
  std::tm tm = {};
  tm.tm_year = std::atoi(iso.substr(0, 4).c_str()) - 1900;
  tm.tm_mon = std::atoi(iso.substr(5, 2).c_str()) - 1;
  tm.tm_mday = std::atoi(iso.substr(8, 2).c_str());
  if (iso.size() > 10) {
    tm.tm_hour = std::atoi(iso.substr(11, 2).c_str());
    tm.tm_min = std::atoi(iso.substr(14, 2).c_str());
    tm.tm_sec = std::atoi(iso.substr(17, 2).c_str());
  }
  return timegm(&tm);
}

TEST(ReadingInverse, EpochsAreTheInstantsThatTheyCount) {
  std::mt19937_64 random(3);
  Readers readers;
  struct Unit {
    Kind kind;
    int64_t nanoseconds;
  };
  constexpr Unit kUnits[] = {{Kind::EpochS, 1000000000},
                             {Kind::EpochMs, 1000000},
                             {Kind::EpochUs, 1000},
                             {Kind::EpochNs, 1}};
  int64_t claimed = 0;
  for (int i = 0; i < kValues; ++i) {
    const Unit& unit = kUnits[random() % 4];
    auto count = static_cast<int64_t>(random() >> (random() % 40 + 1));
    if (random() % 8 == 0) count = -count;
    if (unit.nanoseconds == 1 && random() % 2 == 0) count -= count % 1000;
    const std::string iso =
        readers.OfNumber({unit.kind, {}, 0}, Family::TimestampTz, std::to_string(count));
    if (iso.empty()) {
      const __int128 microseconds = static_cast<__int128>(count) * unit.nanoseconds / 1000;
      const bool divides = unit.nanoseconds != 1 || count % 1000 == 0;
      ASSERT_TRUE(!divides || microseconds < INT64_C(-62135596800000000) ||
                  microseconds >= INT64_C(253402300800000000))
          << count;
      continue;
    }
    ++claimed;
    ASSERT_EQ(iso.back(), 'Z');
    std::string fraction = iso.size() > 20 ? iso.substr(20, iso.size() - 21) : std::string();
    fraction.resize(9, '0');
    const __int128 nanoseconds =
        static_cast<__int128>(SecondsOf(iso)) * 1000000000 + std::atoll(fraction.c_str());
    ASSERT_TRUE(nanoseconds == static_cast<__int128>(count) * unit.nanoseconds)
        << count << " as " << iso;
  }
  EXPECT_GT(claimed, kValues / 4);
}

// Every day of the years 1 to 9999, in every order, and by its number.
TEST(ReadingInverse, EveryDayIsTheDayThatWasWritten) {
  Readers readers;
  char text[64], iso[64];
  int64_t number = -719162;
  for (int year = 1; year <= 9999; ++year) {
    for (int month = 1; month <= 12; ++month) {
      for (int day = 1; day <= 31; ++day) {
        const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        const int days = month == 2                                              ? (leap ? 29 : 28)
                         : month == 4 || month == 6 || month == 9 || month == 11 ? 30
                                                                                 : 31;
        const bool exists = day <= days;
        // All orders for some years, one for the others: as many as a test may take.
        std::snprintf(iso, sizeof iso, "%04d-%02d-%02d", year, month, day);
        const std::string expected = exists ? iso : "";
        std::snprintf(text, sizeof text, "%d.%d.%04d", day, month, year);
        ASSERT_EQ(readers.Of({Kind::DateDmy, {}, 0}, Family::Date, text), expected);
        if (year % 7 == 0) {
          std::snprintf(text, sizeof text, "%d/%d/%04d", month, day, year);
          ASSERT_EQ(readers.Of({Kind::DateMdy, {}, 0}, Family::Date, text), expected);
          std::snprintf(text, sizeof text, "%04d%02d%02d", year, month, day);
          ASSERT_EQ(readers.Of({Kind::DateYmd, {}, 0}, Family::Date, text), expected);
        }
        if (exists && year % 3 == 0) {
          ASSERT_EQ(
              readers.OfNumber({Kind::EpochDays, {}, 0}, Family::Date, std::to_string(number)),
              expected);
        }
        number += exists ? 1 : 0;
      }
    }
  }
}

std::string Base64Of(std::string_view bytes, bool url) {
  const std::string_view alphabet =
      url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
          : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) {
      out += k <= count ? alphabet[bits >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

std::string BytesOf(std::string_view hex) {
  std::string bytes;
  for (size_t i = 2; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::strtol(std::string(hex.substr(i, 2)).c_str(), nullptr, 16));
  }
  return bytes;
}

TEST(ReadingInverse, BytesAreThoseThatWereEncoded) {
  std::mt19937_64 random(4);
  Readers readers;
  constexpr std::string_view kAlphabet = "ABCDQYgwxyz0189+/-_==";
  const Reading base64{Kind::Base64, {}, 0}, url{Kind::Base64Url, {}, 0}, hex{Kind::Hex, {}, 0};
  int64_t claimed = 0;
  for (int i = 0; i < kValues / 4; ++i) {
    std::string bytes;
    for (uint64_t n = random() % 12 + 1; n > 0; --n) bytes += static_cast<char>(random());
    ASSERT_EQ(BytesOf(readers.Of(base64, Family::Bytea, Base64Of(bytes, false))), bytes);
    ASSERT_EQ(BytesOf(readers.Of(url, Family::Bytea, Base64Of(bytes, true))), bytes);
    // What is claimed of any text is encoded to it again.
    std::string text;
    for (uint64_t n = random() % 9; n > 0; --n) text += kAlphabet[random() % kAlphabet.size()];
    if (const std::string read = readers.Of(base64, Family::Bytea, text); !read.empty()) {
      ++claimed;
      ASSERT_EQ(Base64Of(BytesOf(read), false), text);
    }
    if (const std::string read = readers.Of(url, Family::Bytea, text); !read.empty()) {
      std::string padded = text;
      padded.resize((padded.size() + 3) / 4 * 4, '=');
      ASSERT_EQ(Base64Of(BytesOf(read), true), padded);
    }
    if (const std::string read = readers.Of(hex, Family::Bytea, text); !read.empty()) {
      ASSERT_EQ(read.substr(2), text.substr(text.rfind("0x", 0) == 0 ? 2 : 0));
    }
  }
  EXPECT_GT(claimed, 1000);
}

// A value as an object or array of a few members, down to three levels.
std::string Nested(std::mt19937_64* random, int depth) {
  const auto scalar = [&]() -> std::string {
    switch ((*random)() % 5) {
      case 0: return std::to_string(static_cast<int64_t>((*random)()) >> ((*random)() % 64));
      case 1: return std::to_string((*random)() % 1000) + "." + std::to_string((*random)() % 1000);
      case 2: return (*random)() % 2 == 0 ? "true" : "null";
      case 3: return R"("\"\\\u00e9\n")";
      default: return "\"x" + std::to_string((*random)() % 100) + "\"";
    }
  };
  const bool object = (*random)() % 2 == 0;
  std::string out(1, object ? '{' : '[');
  const uint64_t members = (*random)() % 4 + 1;
  for (uint64_t i = 0; i < members; ++i) {
    if (i > 0) out += ',';
    if (object) out += "\"k" + std::to_string(i) + "\":";
    out += depth > 0 && (*random)() % 3 == 0 ? Nested(random, depth - 1) : scalar();
  }
  return out + (object ? '}' : ']');
}

// What json_text keeps is the value, and parse_json takes out again what is in a text.
TEST(ReadingInverse, JsonIsTheJsonThatCame) {
  std::mt19937_64 random(5);
  Reader reader(Berlin);
  json::Document came, as_text, kept;
  for (int i = 0; i < kValues / 10; ++i) {
    const std::string text = Nested(&random, 2);
    ASSERT_FALSE(came.Parse(text));
    const json::Value read =
        reader.Read({Kind::JsonText, {}, 0}, {}, Family::Text, true, came.root());
    ASSERT_TRUE(read) << text;
    const std::string stored(read.text());
    ASSERT_FALSE(kept.Parse(stored)) << text;
    ASSERT_EQ(kept.root().Serialise(), came.root().Serialise());
    as_text.Reset();
    as_text.Add(json::Kind::String, stored);
    const json::Value parsed =
        reader.Read({Kind::ParseJson, {}, 0}, {}, Family::Json, true, as_text.root());
    ASSERT_TRUE(parsed) << text;
    ASSERT_EQ(parsed.Serialise(), came.root().Serialise());
  }
}

// What is in a wrapper of MongoDB's, and nothing else.
TEST(ReadingInverse, WrappersHoldWhatIsTakenOutOfThem) {
  std::mt19937_64 random(6);
  Readers readers;
  for (int i = 0; i < kValues / 10; ++i) {
    const auto number = static_cast<int64_t>(random()) >> (random() % 64);
    const std::string text = std::to_string(number);
    ASSERT_EQ(readers.Read("extended_json", Family::Number, R"({"$numberLong":")" + text + R"("})"),
              text);
    ASSERT_EQ(
        readers.Read("extended_json", Family::Number, R"({"$numberDecimal":")" + text + R"(.50"})"),
        text + ".50");
    const std::string milliseconds = std::to_string(number >> 20);
    ASSERT_EQ(readers.Read("extended_json", Family::TimestampTz,
                           R"({"$date":{"$numberLong":")" + milliseconds + R"("}})"),
              readers.Read("epoch_ms", Family::TimestampTz, milliseconds));
    std::string bytes;
    for (uint64_t n = random() % 12 + 1; n > 0; --n) bytes += static_cast<char>(random());
    const std::string read = readers.Read(
        "extended_json", Family::Bytea,
        R"({"$binary":{"base64":")" + Base64Of(bytes, false) + R"(","subType":"00"}})");
    // Serialised: quotes around it, and its backslash escaped.
    ASSERT_EQ(BytesOf(std::string_view(read).substr(2, read.size() - 3)), bytes) << read;
  }
}

// Words are taken as they are spelled, and no others.
TEST(ReadingInverse, WordsAreThoseThatWereNamed) {
  std::mt19937_64 random(7);
  Readers readers;
  constexpr std::string_view kAlphabet = "YNyn /A-";
  const Reading nothing{Kind::NullIf, {"", "N/A", "-", "n"}, 0},
      boolean{Kind::Boolean, {"Y", "y", "N", "n"}, 2};
  std::string text;
  for (int i = 0; i < kValues / 2; ++i) {
    text.clear();
    for (uint64_t n = random() % 4; n > 0; --n) text += kAlphabet[random() % kAlphabet.size()];
    const bool none = text.empty() || text == "N/A" || text == "-" || text == "n";
    ASSERT_EQ(readers.IsNull(nothing, text), none) << text;
    const std::string read = readers.Of(boolean, Family::Boolean, text);
    const std::string meant = text == "Y" || text == "y"   ? "true"
                              : text == "N" || text == "n" ? "false"
                                                           : "";
    ASSERT_EQ(read, meant) << text;
  }
}

}  // namespace
}  // namespace mend::reading
