#include "core/plan/lattice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "core/plan/typmod.h"

namespace mend::plan {
namespace {

using namespace type_oid;

constexpr int32_t Varchar(int n) { return n + kVarHeader; }
constexpr Type kInt4Array{1007, -1}, kInt8Array{1016, -1}, kTextArray{1009, -1};

Type Numeric(int precision, int scale) { return {kNumeric, EncodeNumeric(precision, scale)}; }

const std::vector<Type>& Types() {
  static const auto* types = new std::vector<Type>{{kBool, -1},
                                                   {kInt2, -1},
                                                   {kInt4, -1},
                                                   {kInt8, -1},
                                                   {kFloat4, -1},
                                                   {kFloat8, -1},
                                                   {kNumeric, -1},
                                                   Numeric(5, 0),
                                                   Numeric(10, 2),
                                                   Numeric(12, 2),
                                                   Numeric(12, 4),
                                                   Numeric(19, 0),
                                                   Numeric(3, -2),
                                                   Numeric(3, 5),
                                                   {kText, -1},
                                                   {kVarchar, -1},
                                                   {kVarchar, Varchar(5)},
                                                   {kVarchar, Varchar(10)},
                                                   {kBpchar, Varchar(5)},
                                                   {kBpchar, Varchar(10)},
                                                   {kDate, -1},
                                                   {kTime, -1},
                                                   {kTime, 2},
                                                   {kTimetz, 3},
                                                   {kTimestamp, -1},
                                                   {kTimestamp, 0},
                                                   {kTimestamp, 3},
                                                   {kTimestamp, 6},
                                                   {kTimestamptz, -1},
                                                   {kTimestamptz, 3},
                                                   {kInterval, -1},
                                                   {kInterval, (0x7fff << 16) | 3},
                                                   {kInterval, (4 << 16) | 0xffff},
                                                   {kUuid, -1},
                                                   {kInet, -1},
                                                   {kCidr, -1},
                                                   {kMacaddr, -1},
                                                   {kJson, -1},
                                                   {kJsonb, -1},
                                                   {kBytea, -1},
                                                   {kVarbit, 4},
                                                   {kVarbit, 8},
                                                   {kVarbit, -1},
                                                   {kBit, 4},
                                                   kInt4Array,
                                                   kInt8Array,
                                                   kTextArray,
                                                   {1015, Varchar(5)},
                                                   {1015, Varchar(9)},
                                                   {1231, EncodeNumeric(10, 2)},
                                                   {1231, -1},
                                                   {3807, -1},
                                                   {99999, -1}};
  return *types;
}

bool Lossless(const Type& from, const Type& to) { return Judge(from, to) == Widening::Lossless; }

TEST(Lattice, IsReflexiveTransitiveAndAntisymmetric) {
  for (const Type& a : Types()) {
    EXPECT_TRUE(Lossless(a, a)) << a.oid;
    EXPECT_FALSE(Rewrites(a, a)) << a.oid;
    for (const Type& b : Types()) {
      for (const Type& c : Types()) {
        if (Lossless(a, b) && Lossless(b, c)) {
          EXPECT_TRUE(Lossless(a, c)) << a.oid << " " << b.oid << " " << c.oid;
        }
      }
      const bool same_time =  // no modifier and six digits are one
          a.oid == b.oid && TimePrecision(a.typmod) == TimePrecision(b.typmod);
      if (a != b && !same_time) {
        EXPECT_FALSE(Lossless(a, b) && Lossless(b, a)) << a.oid << " " << b.oid;
      }
    }
  }
}

TEST(Lattice, Integers) {
  EXPECT_TRUE(Lossless({kInt2, -1}, {kInt4, -1}));
  EXPECT_TRUE(Lossless({kInt2, -1}, {kInt8, -1}));
  EXPECT_TRUE(Lossless({kInt4, -1}, {kInt8, -1}));
  EXPECT_EQ(Judge({kInt8, -1}, {kInt4, -1}), Widening::Refused);
  EXPECT_EQ(Judge({kInt4, -1}, {kInt2, -1}), Widening::Refused);
  EXPECT_TRUE(Lossless({kInt8, -1}, {kNumeric, -1}));
  EXPECT_TRUE(Lossless({kInt2, -1}, Numeric(5, 0)));
  EXPECT_EQ(Judge({kInt4, -1}, Numeric(10, 2)), Widening::Refused);
  EXPECT_TRUE(Lossless({kInt4, -1}, Numeric(12, 2)));
  EXPECT_EQ(Judge({kInt8, -1}, Numeric(18, 0)), Widening::Refused);
  EXPECT_TRUE(Lossless({kInt8, -1}, Numeric(19, 0)));
  EXPECT_EQ(Judge({kInt2, -1}, Numeric(5, -2)), Widening::Refused);
  EXPECT_TRUE(Lossless({kInt4, -1}, {kFloat8, -1}));
  EXPECT_EQ(Judge({kInt8, -1}, {kFloat8, -1}), Widening::Refused);
  EXPECT_EQ(Judge({kInt2, -1}, {kFloat4, -1}), Widening::Refused);
}

TEST(Lattice, FloatsAndNumerics) {
  EXPECT_TRUE(Lossless({kFloat4, -1}, {kFloat8, -1}));
  EXPECT_EQ(Judge({kFloat8, -1}, {kFloat4, -1}), Widening::Refused);
  EXPECT_EQ(Judge({kFloat8, -1}, {kNumeric, -1}), Widening::Refused);
  EXPECT_EQ(Judge({kNumeric, -1}, {kFloat8, -1}), Widening::Refused);
  EXPECT_TRUE(Lossless(Numeric(10, 2), Numeric(12, 4)));
  EXPECT_EQ(Judge(Numeric(12, 2), Numeric(12, 4)), Widening::Refused);
  EXPECT_EQ(Judge(Numeric(12, 4), Numeric(12, 2)), Widening::Refused);
  EXPECT_EQ(Judge({kNumeric, -1}, Numeric(1000, 2)), Widening::Refused);
  EXPECT_TRUE(Lossless(Numeric(10, 2), {kNumeric, -1}));
}

TEST(Lattice, TextTimesAndOthers) {
  EXPECT_TRUE(Lossless({kVarchar, Varchar(5)}, {kVarchar, Varchar(10)}));
  EXPECT_EQ(Judge({kVarchar, Varchar(10)}, {kVarchar, Varchar(5)}), Widening::Refused);
  EXPECT_TRUE(Lossless({kVarchar, Varchar(5)}, {kVarchar, -1}));
  EXPECT_EQ(Judge({kVarchar, -1}, {kVarchar, Varchar(5)}), Widening::Refused);
  EXPECT_TRUE(Lossless({kVarchar, -1}, {kText, -1}));
  EXPECT_EQ(Judge({kBpchar, Varchar(5)}, {kBpchar, Varchar(10)}), Widening::Refused);
  EXPECT_TRUE(Lossless({kTimestamp, 0}, {kTimestamp, 3}));
  EXPECT_TRUE(Lossless({kTimestamp, 3}, {kTimestamp, -1}));
  EXPECT_EQ(Judge({kTimestamp, 6}, {kTimestamp, 3}), Widening::Refused);
  for (const auto& [from, to] : {std::pair(kDate, kTimestamp),
                                 {kDate, kTimestamptz},
                                 {kTimestamp, kTimestamptz},
                                 {kTimestamptz, kTimestamp},
                                 {kJson, kJsonb},
                                 {kJsonb, kJson},
                                 {kInet, kCidr},
                                 {kBytea, kText},
                                 {kJsonb, kText},
                                 {kBool, kInt4},
                                 {kText, kInt4}}) {
    EXPECT_EQ(Judge({from, -1}, {to, -1}), Widening::Refused) << from << " " << to;
  }
  EXPECT_TRUE(Lossless({kCidr, -1}, {kInet, -1}));
  EXPECT_TRUE(Lossless({kVarbit, 4}, {kVarbit, -1}));
  EXPECT_EQ(Judge({99999, -1}, {kText, -1}), Widening::Refused);
}

TEST(Lattice, ScalarsToText) {
  for (uint32_t oid :
       {kBool, kInt4, kNumeric, kFloat8, kDate, kTimestamptz, kUuid, kCidr, kBpchar}) {
    EXPECT_EQ(Judge({oid, -1}, {kText, -1}), Widening::ToText) << oid;
    EXPECT_EQ(Judge({oid, -1}, {kVarchar, -1}), Widening::ToText) << oid;
    EXPECT_EQ(Judge({oid, -1}, {kVarchar, Varchar(99)}), Widening::Refused) << oid;
  }
}

TEST(Lattice, Arrays) {
  EXPECT_TRUE(Lossless(kInt4Array, kInt8Array));
  EXPECT_TRUE(Lossless({1015, Varchar(5)}, kTextArray));
  EXPECT_EQ(Judge(kInt4Array, kTextArray), Widening::Refused);
  EXPECT_EQ(Judge({kInt4, -1}, kInt4Array), Widening::Refused);
  EXPECT_EQ(Judge(kInt4Array, {kText, -1}), Widening::Refused);
  for (uint32_t oid : {kBool, kText, kNumeric, kJsonb, kUuid, kXml}) {
    EXPECT_EQ(ElementType(ArrayType(oid)), oid);
  }
  EXPECT_EQ(ArrayType(99999), 0u);
  EXPECT_EQ(ElementType(kText), 0u);
}

TEST(Lattice, RewritesAreThoseOfPostgres) {
  EXPECT_TRUE(Rewrites({kInt4, -1}, {kInt8, -1}));
  EXPECT_TRUE(Rewrites({kFloat4, -1}, {kFloat8, -1}));
  EXPECT_TRUE(Rewrites({kInt4, -1}, {kText, -1}));
  EXPECT_TRUE(Rewrites({kBpchar, Varchar(5)}, {kText, -1}));
  EXPECT_FALSE(Rewrites({kVarchar, Varchar(5)}, {kText, -1}));
  EXPECT_FALSE(Rewrites({kVarchar, Varchar(5)}, {kVarchar, Varchar(9)}));
  EXPECT_TRUE(Rewrites({kVarchar, Varchar(9)}, {kVarchar, Varchar(5)}));
  EXPECT_FALSE(Rewrites(Numeric(10, 2), Numeric(12, 2)));
  EXPECT_TRUE(Rewrites(Numeric(10, 2), Numeric(12, 4)));
  EXPECT_FALSE(Rewrites(Numeric(10, 2), {kNumeric, -1}));
  EXPECT_FALSE(Rewrites({kTimestamp, 3}, {kTimestamp, -1}));
  EXPECT_FALSE(Rewrites({kCidr, -1}, {kInet, -1}));
  EXPECT_TRUE(Rewrites({kDate, -1}, {kTimestamp, -1}));
  EXPECT_TRUE(Rewrites(kInt4Array, kInt8Array));
  EXPECT_TRUE(Rewrites({1015, Varchar(5)}, {1015, Varchar(9)}));
  EXPECT_TRUE(Rewrites({1015, Varchar(5)}, kTextArray));
  EXPECT_TRUE(Rewrites({651, -1}, {1041, -1}));
  EXPECT_FALSE(Rewrites({1231, EncodeNumeric(10, 2)}, {1231, -1}));
}

drift::Profile Of(const std::vector<std::string>& values) {
  drift::Profile profile;
  for (const std::string& value : values) {
    json::Document document;
    EXPECT_FALSE(document.Parse(value)) << value;
    profile.Add(document.root());
  }
  return profile;
}

std::optional<Type> Widened(const Type& from, const std::vector<std::string>& values) {
  return WidenFor(from, Of(values));
}

std::optional<Type> New(const std::vector<std::string>& values) { return TypeForNew(Of(values)); }

constexpr Type kBig{kInt8, -1}, kAnyNumeric{kNumeric, -1}, kAnyText{kText, -1},
    kAnyJsonb{kJsonb, -1};

TEST(WidenFor, Integers) {
  const Type int4{kInt4, -1};
  EXPECT_EQ(Widened(int4, {"2147483647", "5.0"}), int4);
  EXPECT_EQ(Widened(int4, {"2147483648"}), kBig);
  EXPECT_EQ(Widened({kInt2, -1}, {"32768"}), kBig);
  EXPECT_EQ(Widened(int4, {"9223372036854775808"}), kAnyNumeric);
  EXPECT_EQ(Widened(int4, {"1.5"}), kAnyNumeric);
  EXPECT_EQ(Widened(int4, {"1.5", "\"99999999999\""}), kAnyNumeric);
  EXPECT_EQ(Widened(int4, {"\"99999999999\""}), kBig);
  EXPECT_EQ(Widened(int4, {"\"5.0\""}), int4);
  EXPECT_EQ(Widened(int4, {"\"5.5\""}), kAnyNumeric);
  for (const char* bad :
       {"\"05\"", "\"\"", "true", "[1]", "{}", "\"n/a\"", "1e131073", "1e-20000"}) {
    EXPECT_FALSE(Widened(int4, {"2147483648", bad})) << bad;
  }
  EXPECT_EQ(Widened(int4, {}), int4);
}

TEST(WidenFor, NumericsAndFloats) {
  EXPECT_EQ(Widened(Numeric(5, 2), {"999.99"}), Numeric(5, 2));
  EXPECT_EQ(Widened(Numeric(5, 2), {"1000"}), kAnyNumeric);
  EXPECT_EQ(Widened(Numeric(5, 2), {"1.234"}), kAnyNumeric);
  EXPECT_EQ(Widened(Numeric(5, 2), {"\"1000.5\""}), kAnyNumeric);
  EXPECT_EQ(Widened(Numeric(3, -2), {"12300"}), kAnyNumeric);
  EXPECT_FALSE(Widened(Numeric(5, 2), {"\"ten\""}));
  EXPECT_FALSE(Widened(kAnyNumeric, {"1e400000"}));
  const Type float4{kFloat4, -1}, float8{kFloat8, -1};
  EXPECT_EQ(Widened(float4, {"0.1"}), float4);
  EXPECT_EQ(Widened(float4, {"1e300"}), float8);
  EXPECT_EQ(Widened(float4, {"16777217"}), float8);
  EXPECT_FALSE(Widened(float4, {"1e400"}));
  EXPECT_FALSE(Widened(float4, {"9007199254740993"}));
  EXPECT_FALSE(Widened(float8, {"9007199254740993"}));
  EXPECT_FALSE(Widened(float4, {"1e300", "\"much\""}));
}

TEST(WidenFor, TextAndOthers) {
  const Type varchar{kVarchar, Varchar(3)};
  EXPECT_EQ(Widened(varchar, {"\"abc\"", "\"añb\""}), varchar);
  EXPECT_EQ(Widened(varchar, {"\"abcd\""}), kAnyText);
  EXPECT_EQ(Widened(varchar, {"12345"}), kAnyText);
  EXPECT_EQ(Widened(varchar, {"false"}), kAnyText);
  EXPECT_FALSE(Widened(varchar, {"\"abcd\"", "{}"}));
  EXPECT_FALSE(Widened(varchar, {"\"abcd\"", "[1]"}));
  EXPECT_FALSE(Widened({kBpchar, Varchar(3)}, {"\"abcd\""}));
  EXPECT_FALSE(Widened({kBool, -1}, {"\"yes\""}));
  EXPECT_FALSE(Widened({kDate, -1}, {"\"2024-05-01T10:00Z\""}));
  EXPECT_FALSE(Widened({kUuid, -1}, {"1"}));
  EXPECT_EQ(Widened({kTimestamptz, 0}, {"\"2024-05-01T10:00:00.5Z\""}), (Type{kTimestamptz, -1}));
  EXPECT_FALSE(Widened({99999, -1}, {"1"}));
}

TEST(WidenFor, Arrays) {
  EXPECT_EQ(Widened(kInt4Array, {"[1, 2147483648, null]"}), kInt8Array);
  EXPECT_EQ(Widened({1015, Varchar(2)}, {"[\"abc\"]"}), kTextArray);
  EXPECT_FALSE(Widened(kInt4Array, {"[1, 2147483648]", "5"}));
  EXPECT_FALSE(Widened(kInt4Array, {"[[2147483648]]"}));
  EXPECT_FALSE(Widened(kInt4Array, {"[2147483648, \"x\"]"}));
}

TEST(TypeForNew, ByEvidence) {
  EXPECT_FALSE(New({}));
  EXPECT_FALSE(New({"null", "[]", "[null]"}));
  EXPECT_EQ(New({"true", "null"}), (Type{kBool, -1}));
  EXPECT_EQ(New({"1", "-9223372036854775808"}), kBig);
  EXPECT_EQ(New({"1", "9223372036854775808"}), kAnyNumeric);
  EXPECT_EQ(New({"1", "1.5"}), kAnyNumeric);
  EXPECT_EQ(New({"5.0"}), kAnyNumeric);
  EXPECT_FALSE(New({"1e400000"}));
  EXPECT_EQ(New({"\"2024-05-01T10:00Z\"", "\"2024-05-01T10:00\""}), kAnyText);
  EXPECT_EQ(New({"\"2024-05-01\""}), kAnyText);
  EXPECT_EQ(New({"\"5\""}), kAnyText);
  EXPECT_EQ(New({"\"550e8400-e29b-41d4-a716-446655440000\""}), kAnyText);
  EXPECT_EQ(New({"\"\""}), kAnyText);
  EXPECT_EQ(New({"{}"}), kAnyJsonb);
  EXPECT_EQ(New({"[1]"}), kAnyJsonb);
  EXPECT_EQ(New({"1", "\"x\""}), kAnyJsonb);
  EXPECT_EQ(New({"true", "\"x\""}), kAnyJsonb);
}

// The text of a number is that number, beside numbers; alone it may be a code.
TEST(TypeForNew, TextOfNumbersAndWordsForNothing) {
  EXPECT_EQ(New({"101", "\"102\"", "103"}), kBig);
  EXPECT_EQ(New({"101", "\"1.5\""}), kAnyNumeric);
  EXPECT_EQ(New({"101", "\"007\""}), kAnyJsonb);
  EXPECT_EQ(New({"\"101\"", "\"102\""}), kAnyText);
  for (const char* nothing : {"\"\"", "\" \"", "\"n/a\"", "\"NULL\"", "\"-\""}) {
    EXPECT_EQ(New({"101", nothing, "103"}), kBig) << nothing;
    EXPECT_EQ(New({"true", nothing}), (Type{kBool, -1})) << nothing;
    EXPECT_EQ(New({nothing}), kAnyText) << nothing;
    EXPECT_EQ(New({nothing, "\"x\""}), kAnyText) << nothing;
  }
}

TEST(TypeForNew, TimesNeedAName) {
  const Type time{kTimestamptz, -1};
  const std::string first = "\"2024-05-01T10:00:00Z\"", second = "\"2024-05-01 10:00:00+02\"";
  EXPECT_EQ(New({first, second}), kAnyText);
  EXPECT_EQ(New(std::vector<std::string>(20, first)), kAnyText);
  for (const char* name :
       {"created_at", "last_seen", "createdAt", "timestamp", "Start Date", "updated"}) {
    EXPECT_EQ(TypeForNew(Of({first, second}), name), time) << name;
  }
  for (const char* name : {"note", "format", "category", "at_home", "updates"}) {
    EXPECT_EQ(TypeForNew(Of({first, second}), name), kAnyText) << name;
  }
  // What timestamptz would round.
  EXPECT_EQ(TypeForNew(Of({"\"2024-05-01T00:00:00.123456789Z\""}), "created_at"), kAnyText);
  EXPECT_EQ(TypeForNew(Of({"\"2024-05-01T23:59:59.9999999Z\""}), "created_at"), kAnyText);
  EXPECT_EQ(TypeForNew(Of({"\"2024-05-01T23:59:59.999999Z\""}), "created_at"), time);
}

// However a stream is cut and shuffled, its column ends with one type. Not so with words for
// nothing: a column that they alone have made is text.
TEST(Generalise, TheEndDependsOnTheValues) {
  const std::vector<std::string> values = {"1",         "40000",   "9223372036854775808",
                                           "1.25",      "5.5e3",   "5.0",
                                           "1e2",       "true",    "false",
                                           "\"abc\"",   "\"007\"", "{}",
                                           "[1,\"x\"]", "null",    "\"x y\""};
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> stream;
    for (unsigned i = 0; i <= random() % 6; ++i) stream.push_back(values[random() % values.size()]);
    const std::optional<Type> once = TypeForNew(Of(stream), "f");
    for (int cut = 0; cut < 4; ++cut) {
      std::shuffle(stream.begin(), stream.end(), random);
      std::optional<Type> type;
      drift::Profile seen;
      for (size_t at = 0; at < stream.size();) {
        const size_t end = at + 1 + random() % (stream.size() - at);
        seen.Merge(Of({stream.begin() + static_cast<std::ptrdiff_t>(at),
                       stream.begin() + static_cast<std::ptrdiff_t>(end)}));
        type = type ? Generalise(*type, seen, "f") : TypeForNew(seen, "f");
        at = end;
      }
      EXPECT_EQ(type, once);
    }
  }
}

TEST(Lattice, FamiliesAndJson) {
  EXPECT_EQ(Judge({kInt4, -1}, kAnyJsonb), Widening::ToJsonb);
  EXPECT_EQ(Judge(kAnyText, kAnyJsonb), Widening::ToJsonb);
  for (uint32_t oid : {kTimestamptz, kBpchar, kJson, kBytea, kFloat8}) {
    EXPECT_EQ(Judge({oid, -1}, kAnyJsonb), Widening::Refused) << oid;
  }
  EXPECT_TRUE(ChangesFamily({kInt4, -1}, kAnyText));
  EXPECT_TRUE(ChangesFamily({kInt4, -1}, kAnyJsonb));
  EXPECT_TRUE(ChangesFamily({kInt4, -1}, kInt8Array));
  EXPECT_FALSE(ChangesFamily({kInt4, -1}, kAnyNumeric));
  EXPECT_FALSE(ChangesFamily({kInt4, -1}, {kFloat8, -1}));
  EXPECT_FALSE(ChangesFamily({kBpchar, Varchar(3)}, kAnyText));
  EXPECT_FALSE(ChangesFamily({kCidr, -1}, {kInet, -1}));
  EXPECT_FALSE(ChangesFamily(kInt4Array, kInt8Array));
}

TEST(WidenFor, AnswersOnlyWithLosslessTypesThatHoldTheEvidence) {
  const std::vector<std::string> values = {"1",
                                           "40000",
                                           "3000000000",
                                           "9223372036854775808",
                                           "1.25",
                                           "1e39",
                                           "1e300",
                                           "1e400",
                                           "16777217",
                                           "9007199254740993",
                                           "true",
                                           "\"5\"",
                                           "\"1.5\"",
                                           "\"abcdef\"",
                                           "\"abcdefghijklm\"",
                                           "\"2024-05-01\"",
                                           "\"2024-05-01T10:00Z\"",
                                           "[1]",
                                           "[70000,\"a\"]",
                                           "{}",
                                           "null"};
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> some;
    for (unsigned i = 0; i <= random() % 3; ++i) some.push_back(values[random() % values.size()]);
    const drift::Profile profile = Of(some);
    for (const Type& from : Types()) {
      const std::optional<Type> to = WidenFor(from, profile);
      if (!to) continue;
      EXPECT_EQ(Judge(from, *to), Widening::Lossless) << from.oid << " to " << to->oid;
      EXPECT_EQ(WidenFor(*to, profile), to) << from.oid << " to " << to->oid;
    }
  }
}

}  // namespace
}  // namespace mend::plan
