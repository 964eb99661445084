#include "core/plan/rules.h"
#include "core/plan/reading_rule.h"

#include <gtest/gtest.h>

#include "core/plan/identifier.h"
#include "core/plan/lattice.h"
#include "core/plan/typmod.h"

namespace mend::plan {
namespace {

using drift::Drift;
using drift::DriftSet;
using drift::Kind;
using namespace type_oid;

Column MakeColumn(const std::string& name, uint32_t oid, const std::string& text,
                  int32_t typmod = -1) {
  Column column;
  column.name = name;
  column.type = {oid, typmod};
  column.type_text = text;
  return column;
}

Drift MakeDrift(Kind kind, const std::string& field, const std::string& column,
                const std::vector<std::string>& values) {
  Drift drift;
  drift.kind = kind;
  drift.field = field;
  drift.column = column;
  for (const std::string& value : values) {
    json::Document document;
    EXPECT_FALSE(document.Parse(value)) << value;
    drift.profile.Add(document.root());
    ++drift.row_count;
  }
  return drift;
}

class RulesTest : public testing::Test {
 protected:
  RulesTest() {
    shape_.schema = "public";
    shape_.name = "orders";
    shape_.columns = {MakeColumn("id", kInt8, "bigint"), MakeColumn("amount", kInt4, "integer"),
                      MakeColumn("code", kVarchar, "character varying(3)", 3 + kVarHeader),
                      MakeColumn("UserName", kText, "text")};
    shape_.max_attnum = 4;
    policy_.allow = {ActionKind::AddColumn, ActionKind::WidenType, ActionKind::MapField};
  }

  Plan Propose(const DriftSet& drift) {
    const Plan plan = Rules().Propose(shape_, drift, policy_);
    for (const Unplanned& unplanned : plan.unplanned) {
      EXPECT_LT(unplanned.drift, drift.size());
      EXPECT_FALSE(unplanned.reason.empty());
    }
    return plan;
  }
  std::string ReasonFor(const Drift& drift) {
    const Plan plan = Propose({drift});
    EXPECT_TRUE(plan.patch.empty());
    EXPECT_EQ(plan.unplanned.size(), 1u);
    return plan.unplanned.empty() ? "" : plan.unplanned[0].reason;
  }

  Shape shape_;
  Policy policy_;
};

TEST_F(RulesTest, OnePatchForAllDrift) {
  const Plan plan = Propose({MakeDrift(Kind::NewField, "createdAt", "", {"\"2024-05-01T10:00Z\""}),
                             MakeDrift(Kind::NewField, "note", "", {"\"secret-value\"", "null"}),
                             MakeDrift(Kind::TooLong, "code", "code", {"\"secret-value\""}),
                             MakeDrift(Kind::OutOfRange, "amount", "amount", {"2147483648"})});
  EXPECT_TRUE(plan.unplanned.empty());
  ASSERT_EQ(plan.patch.actions.size(), 4u);
  EXPECT_EQ(plan.patch.actions[0].column, "created_at");
  EXPECT_EQ(plan.patch.actions[0].type, (Type{kTimestamptz, -1}));
  EXPECT_EQ(plan.patch.actions[1].column, "note");
  EXPECT_EQ(plan.patch.actions[2].kind, ActionKind::WidenType);
  EXPECT_EQ(plan.patch.actions[2].type, (Type{kText, -1}));
  EXPECT_EQ(plan.patch.actions[3].type, (Type{kInt8, -1}));
  ASSERT_EQ(plan.patch.field_map.size(), 1u);
  EXPECT_EQ(plan.patch.field_map[0].field, "createdAt");
  EXPECT_EQ(plan.patch.field_map[0].column, "created_at");
  EXPECT_EQ(plan.patch.rationale.find("secret"), std::string::npos);
}

TEST_F(RulesTest, FieldsOfOneSpellingAreOneColumn) {
  const Plan plan = Propose({MakeDrift(Kind::NewField, "Total Price", "", {"1"}),
                             MakeDrift(Kind::NewField, "total_price", "", {"1.5"}),
                             MakeDrift(Kind::NewField, "totalPrice", "", {"1"}),
                             MakeDrift(Kind::NewField, "user_name", "", {"1"}),
                             MakeDrift(Kind::NewField, "sourceIPAddress", "", {"\"x\""}),
                             MakeDrift(Kind::NewField, "source_ipaddress", "", {"\"y\""})});
  ASSERT_EQ(plan.patch.actions.size(), 3u);
  EXPECT_EQ(plan.patch.actions[0].column, "total_price");
  EXPECT_EQ(plan.patch.actions[0].type, (Type{kNumeric, -1}));  // of all their values
  EXPECT_NE(plan.patch.actions[1].column, "user_name");  // "UserName" would be found under it
  EXPECT_EQ(plan.patch.actions[2].column, "source_ipaddress");
  ASSERT_EQ(plan.patch.field_map.size(), 4u);
  EXPECT_EQ(plan.patch.field_map[0].field, "Total Price");
  EXPECT_EQ(plan.patch.field_map[1].field, "totalPrice");
  EXPECT_TRUE(plan.unplanned.empty());
}

TEST_F(RulesTest, LongFieldsAreNotOneForTheirBeginning) {
  const std::string begin(70, 'a');
  const Plan plan = Propose({MakeDrift(Kind::NewField, begin + "One", "", {"1"}),
                             MakeDrift(Kind::NewField, begin + "Two", "", {"2"}),
                             MakeDrift(Kind::NewField, begin + "_two", "", {"2"})});
  ASSERT_EQ(plan.patch.actions.size(), 2u);
  EXPECT_NE(plan.patch.actions[0].column, plan.patch.actions[1].column);
}

TEST_F(RulesTest, FieldsWithoutAnyLetterAreNotOne) {
  const Plan plan = Propose(
      {MakeDrift(Kind::NewField, "-", "", {"1"}), MakeDrift(Kind::NewField, "+", "", {"2"})});
  ASSERT_EQ(plan.patch.actions.size(), 2u);
  EXPECT_NE(plan.patch.actions[0].column, plan.patch.actions[1].column);
}

TEST_F(RulesTest, DriftOfOneColumnIsOneAction) {
  const Plan plan = Propose({MakeDrift(Kind::OutOfRange, "amount", "amount", {"2147483648"}),
                             MakeDrift(Kind::Lossy, "amount", "amount", {"1.5"})});
  ASSERT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_EQ(plan.patch.actions[0].type, (Type{kNumeric, -1}));
  EXPECT_TRUE(plan.unplanned.empty());
}

TEST_F(RulesTest, TheProvableIsPlannedBesideTheUnprovable) {
  const Plan plan =
      Propose({MakeDrift(Kind::TypeConflict, "amount", "amount", {"\"n/a\"", "\"n/a\"", "true"}),
               MakeDrift(Kind::OutOfRange, "amount", "amount", {"2147483648"}),
               MakeDrift(Kind::TooLong, "code", "code", {"\"abcd\""})});
  EXPECT_EQ(plan.patch.actions.size(), 2u);
  ASSERT_EQ(plan.unplanned.size(), 1u);
  EXPECT_EQ(plan.unplanned[0].drift, 0u);
  EXPECT_EQ(
      plan.unplanned[0].reason,
      "column \"amount\" is integer, and payloads bring booleans, text that is neither number "
      "nor time: no lossless type holds both");
}

// One bad value does not keep a class that a type holds from its type.
TEST_F(RulesTest, EachClassOfValuesIsJudgedByItself) {
  Drift fractions = MakeDrift(Kind::Lossy, "amount", "amount", {"1.5", "2.5"});
  fractions.cause = drift::Cause::HasFraction;
  Drift zero = MakeDrift(Kind::Lossy, "amount", "amount", {"\"05\""});
  zero.cause = drift::Cause::LeadingZero;
  Drift empty = MakeDrift(Kind::TypeConflict, "amount", "amount", {"\"\""});
  empty.cause = drift::Cause::EmptyText;
  const Plan plan = Propose({zero, fractions, empty});
  ASSERT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_EQ(plan.patch.actions[0].type, (Type{kNumeric, -1}));
  ASSERT_EQ(plan.unplanned.size(), 2u);
  EXPECT_EQ(plan.unplanned[0].drift, 0u);
  EXPECT_EQ(plan.unplanned[0].why, Why::NoType);
  EXPECT_EQ(plan.unplanned[0].reason,
            "column \"amount\" is integer, and a value does not fit: it has a leading zero, which "
            "type integer would drop: no lossless type holds both");
  EXPECT_EQ(plan.unplanned[1].drift, 2u);
}

// The type of a column that rules have added was a guess: they choose again with what they see.
TEST_F(RulesTest, OwnColumnsAreGeneralised) {
  shape_.columns.push_back(MakeColumn("c", kInt8, "bigint"));
  const Drift text = MakeDrift(Kind::TypeConflict, "c", "c", {"\"call back\""});
  EXPECT_TRUE(Propose({text}).patch.empty());
  policy_.own["c"] = MakeDrift(Kind::NewField, "c", "", {"1711953600"}).profile;
  const Plan plan = Propose({text});
  ASSERT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_EQ(plan.patch.actions[0].kind, ActionKind::ChangeType);
  EXPECT_EQ(plan.patch.actions[0].type, (Type{kJsonb, -1}));
  EXPECT_TRUE(plan.unplanned.empty());

  Drift nothing = MakeDrift(Kind::TypeConflict, "c", "c", {"\"n/a\""});
  nothing.cause = drift::Cause::WordForNone;
  EXPECT_TRUE(Propose({nothing}).patch.empty());
  const Drift fraction = MakeDrift(Kind::Lossy, "c", "c", {"1.5"});
  const Plan numeric = Propose({nothing, fraction});
  ASSERT_EQ(numeric.patch.actions.size(), 1u);
  EXPECT_EQ(numeric.patch.actions[0].kind, ActionKind::WidenType);
  EXPECT_EQ(numeric.patch.actions[0].type, (Type{kNumeric, -1}));
  ASSERT_EQ(numeric.unplanned.size(), 1u);
  EXPECT_EQ(numeric.unplanned[0].drift, 0u);

  shape_.columns.back().type_locked_by = "view \"v\" uses it";
  EXPECT_TRUE(Propose({text}).patch.empty());
}

TEST_F(RulesTest, AnEmptyColumnTakesTheTypeOfItsFirstValues) {
  const Drift text = MakeDrift(Kind::TypeConflict, "amount", "amount", {"\"call back\""});
  policy_.empty = {"amount"};
  const Plan plan = Propose({text});
  ASSERT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_EQ(plan.patch.actions[0].type, (Type{kText, -1}));
  EXPECT_TRUE(plan.patch.actions[0].only_if_empty);
  policy_.allow.erase(ActionKind::WidenType);
  EXPECT_TRUE(Propose({text}).patch.empty());
}

TEST_F(RulesTest, OneAbsurdNumberDoesNotDecideTheTypeOfANewColumn) {
  const std::string absurd(260, '9');
  const auto far = [&](const std::vector<std::string>& values) {
    Drift drift = MakeDrift(Kind::NewField, "n", "", values);
    drift.cause = drift::Cause::ManyDigits;
    return drift;
  };
  const Drift plain = MakeDrift(Kind::NewField, "n", "", {"5", "7"});
  Plan plan = Propose({plain, far({absurd})});
  ASSERT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_EQ(plan.patch.actions[0].type, (Type{kInt8, -1}));
  EXPECT_TRUE(plan.unplanned.empty());
  // By itself it waits for a person; beside others of its kind it speaks.
  plan = Propose({far({absurd})});
  EXPECT_TRUE(plan.patch.empty());
  ASSERT_EQ(plan.suggestions.size(), 1u);
  EXPECT_FALSE(plan.suggestions[0].ask.empty());
  EXPECT_EQ(plan.suggestions[0].patch.actions[0].type, (Type{kNumeric, -1}));
  EXPECT_EQ(plan.unplanned.size(), 1u);
  plan = Propose({plain, far({absurd, absurd})});
  ASSERT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_EQ(plan.patch.actions[0].type, (Type{kNumeric, -1}));
  // A hint is somebody's word.
  policy_.hints = {{"n", {kNumeric, -1}, "numeric"}};
  plan = Propose({far({absurd})});
  EXPECT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_TRUE(plan.suggestions.empty());
}

TEST_F(RulesTest, TextOfBooleansBecomesBooleanWithTheFirst) {
  shape_.columns[3].type = {kText, -1};
  Drift drift = MakeDrift(Kind::TypeConflict, "UserName", "UserName", {"true"});
  drift.cause = drift::Cause::NotTextSoFar;
  policy_.own["UserName"] = MakeDrift(Kind::NewField, "UserName", "", {"\"false\""}).profile;
  EXPECT_TRUE(Propose({drift}).patch.empty());  // nobody has looked what is stored
  policy_.texts["UserName"].booleans = true;
  Plan plan = Propose({drift});
  ASSERT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_EQ(plan.patch.actions[0].type, (Type{kBool, -1}));
  EXPECT_TRUE(plan.patch.actions[0].only_if_empty);
  policy_.texts["UserName"].booleans = false;  // other text has come since
  plan = Propose({drift});
  ASSERT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_EQ(plan.patch.actions[0].type, (Type{kJsonb, -1}));
}

TEST_F(RulesTest, AsksAboutAbsurdNumbersAndEnvelopes) {
  const std::string absurd(260, '9');
  Plan plan = Propose({MakeDrift(Kind::OutOfRange, "amount", "amount", {absurd})});
  EXPECT_TRUE(plan.patch.empty());
  ASSERT_EQ(plan.suggestions.size(), 1u);
  EXPECT_FALSE(plan.suggestions[0].ask.empty());
  EXPECT_EQ(plan.unplanned.size(), 1u);
  plan = Propose({MakeDrift(Kind::OutOfRange, "amount", "amount", {absurd, absurd})});
  EXPECT_EQ(plan.patch.actions.size(), 1u);
  // Beside others of the column, in a column without a value, and in one of our own.
  const Drift one = MakeDrift(Kind::OutOfRange, "amount", "amount", {std::string(100000, '9')});
  const Drift text = MakeDrift(Kind::TypeConflict, "amount", "amount", {"\"x\""});
  plan = Propose({one, text});
  EXPECT_TRUE(plan.patch.empty());
  EXPECT_EQ(plan.suggestions.size(), 2u);
  plan = Propose({one, MakeDrift(Kind::Lossy, "amount", "amount", {"1.5"})});
  EXPECT_EQ(plan.patch.actions.size(), 1u);  // that type holds it anyway
  EXPECT_TRUE(plan.suggestions.empty());
  policy_.empty = {"amount"};
  plan = Propose({one});
  EXPECT_TRUE(plan.patch.empty());
  EXPECT_EQ(plan.suggestions.size(), 1u);
  plan = Propose({one, text});
  ASSERT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_EQ(plan.patch.actions[0].type, (Type{kText, -1}));
  policy_.empty.clear();
  policy_.own["amount"] = MakeDrift(Kind::NewField, "amount", "", {"1", "2"}).profile;
  plan = Propose({one});
  EXPECT_TRUE(plan.patch.empty());
  EXPECT_EQ(plan.suggestions.size(), 1u);
  policy_.own.clear();

  DriftSet envelope = {MakeDrift(Kind::NewField, "op", "", {"\"c\""}),
                       MakeDrift(Kind::NewField, "after", "", {"{\"id\": 1}"}),
                       MakeDrift(Kind::NewField, "note", "", {"\"x\""})};
  envelope[0].cause = envelope[1].cause = drift::Cause::SharesNoKey;
  plan = Propose(envelope);
  ASSERT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_EQ(plan.patch.actions[0].column, "note");
  ASSERT_EQ(plan.suggestions.size(), 1u);
  EXPECT_EQ(plan.suggestions[0].patch.actions.size(), 2u);
  EXPECT_FALSE(plan.suggestions[0].ask.empty());
  EXPECT_EQ(plan.unplanned.size(), 2u);
}

// What is lossless but noticed is for a person.
TEST_F(RulesTest, SuggestsAnotherFamily) {
  Drift codes = MakeDrift(Kind::Lossy, "amount", "amount", {"\"007\""});
  codes.cause = drift::Cause::LeadingZero;
  Plan plan = Propose({codes});
  EXPECT_TRUE(plan.patch.empty());
  ASSERT_EQ(plan.suggestions.size(), 1u);
  EXPECT_EQ(plan.suggestions[0].patch.actions.at(0).kind, ActionKind::ChangeType);
  EXPECT_EQ(plan.suggestions[0].patch.actions.at(0).type, (Type{kText, -1}));
  EXPECT_EQ(plan.suggestions[0].drift, std::vector<size_t>{0});
  EXPECT_TRUE(plan.suggestions[0].ask.empty());

  const Drift object = MakeDrift(Kind::TypeConflict, "amount", "amount", {"{}"});
  plan = Propose({codes, object});
  ASSERT_EQ(plan.suggestions.size(), 1u);
  EXPECT_EQ(plan.suggestions[0].patch.actions.at(0).type, (Type{kJsonb, -1}));
  EXPECT_EQ(plan.suggestions[0].drift.size(), 2u);
  EXPECT_TRUE(Holds({kText, -1}, codes));
  EXPECT_FALSE(Holds({kText, -1}, object));

  policy_.rejected[{"amount", ActionKind::ChangeType}] = "patch 7 was rejected by ann";
  plan = Propose({codes});
  EXPECT_TRUE(plan.suggestions.empty());
  EXPECT_EQ(plan.unplanned.at(0).why, Why::Held);
  EXPECT_NE(plan.unplanned.at(0).reason.find("rejected by ann"), std::string::npos);
  policy_.rejected.clear();
  shape_.columns[1].family_locked_by = "CHECK constraint c names it";
  EXPECT_TRUE(Propose({codes}).suggestions.empty());
}

// One class of the values is widened for, the other asked about.
TEST_F(RulesTest, SuggestsBesideWhatIsDone) {
  Drift codes = MakeDrift(Kind::TypeConflict, "amount", "amount", {"\"A7\""});
  codes.cause = drift::Cause::NotANumber;
  const Plan plan =
      Propose({codes, MakeDrift(Kind::OutOfRange, "amount", "amount", {"2147483648"})});
  ASSERT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_EQ(plan.patch.actions[0].kind, ActionKind::WidenType);
  ASSERT_EQ(plan.suggestions.size(), 1u);
  EXPECT_EQ(plan.suggestions[0].drift, std::vector<size_t>{0});
}

TEST_F(RulesTest, SuggestsNullsAndWhatIsNotAllowed) {
  const Drift missing = MakeDrift(Kind::MissingRequired, "amount", "amount", {"null"});
  EXPECT_TRUE(Propose({missing}).suggestions.empty());
  shape_.columns[1].not_null = true;
  Plan plan = Propose({missing});
  ASSERT_EQ(plan.suggestions.size(), 1u);
  EXPECT_EQ(plan.suggestions[0].patch.actions.at(0).kind, ActionKind::DropNotNull);
  policy_.rejected[{"amount", ActionKind::DropNotNull}] = "patch 7 was rejected";
  plan = Propose({missing});
  EXPECT_TRUE(plan.suggestions.empty());
  EXPECT_EQ(plan.unplanned.at(0).why, Why::Held);

  policy_.allow = {};
  plan = Propose({MakeDrift(Kind::NewField, "a", "", {"1"}),
                  MakeDrift(Kind::NewField, "Big B", "", {"1"}),
                  MakeDrift(Kind::OutOfRange, "amount", "amount", {"2147483648"})});
  EXPECT_TRUE(plan.patch.empty());
  ASSERT_EQ(plan.suggestions.size(), 2u);
  EXPECT_EQ(plan.suggestions[0].patch.actions.at(0).kind, ActionKind::WidenType);
  EXPECT_EQ(plan.suggestions[1].patch.actions.size(), 2u);
  EXPECT_EQ(plan.suggestions[1].drift, (std::vector<size_t>{0, 1}));
}

TEST_F(RulesTest, ARenameHasTwoAnswers) {
  shape_.columns[3].not_null = true;
  policy_.renames = {{"user", "UserName", true}};
  const Plan plan = Propose({MakeDrift(Kind::NewField, "user", "", {"\"x\""}),
                             MakeDrift(Kind::MissingRequired, "UserName", "UserName", {"null"})});
  EXPECT_TRUE(plan.patch.empty());
  ASSERT_EQ(plan.suggestions.size(), 2u);
  EXPECT_EQ(plan.suggestions[0].patch.field_map.at(0).column, "UserName");
  EXPECT_TRUE(plan.suggestions[0].patch.actions.empty());
  EXPECT_FALSE(plan.suggestions[0].ask.empty());
  EXPECT_TRUE(plan.suggestions[1].alternative);
  EXPECT_EQ(plan.suggestions[1].patch.actions.size(), 2u);
  EXPECT_EQ(plan.suggestions[1].drift, (std::vector<size_t>{0, 1}));
}

TEST_F(RulesTest, AFieldWhoseColumnWasTakenBackIsAskedAbout) {
  policy_.held_fields = {{"note", "its column was dropped by ann"}};
  const Drift note = MakeDrift(Kind::NewField, "note", "", {"1"});
  EXPECT_TRUE(Propose({note}).suggestions.empty());
  policy_.taken_back = {{"note", "note"}};
  Plan plan = Propose({note});
  EXPECT_EQ(plan.unplanned.at(0).why, Why::Held);
  ASSERT_EQ(plan.suggestions.size(), 2u);
  EXPECT_EQ(plan.suggestions[0].patch.actions.at(0).column, "note");
  EXPECT_TRUE(plan.suggestions[1].alternative);
  EXPECT_EQ(plan.suggestions[1].patch.field_map.at(0).column, std::nullopt);

  policy_.held_fields.clear();
  policy_.taken_back.clear();
  policy_.held_columns = {{"note", "a person has dropped it"}};
  EXPECT_TRUE(Propose({note}).suggestions.empty());
  policy_.dropped = {"note"};
  EXPECT_EQ(Propose({note}).suggestions.size(), 2u);
}

TEST_F(RulesTest, WhatOthersBringTooIsNoEnvelope) {
  DriftSet drifts = {MakeDrift(Kind::NewField, "note", "", {"\"x\""}),
                     MakeDrift(Kind::NewField, "note", "", {"\"x\""})};
  drifts[1].cause = drift::Cause::SharesNoKey;
  drifts[0].cause = drift::Cause::NewField;
  const Plan plan = Propose(drifts);
  EXPECT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_TRUE(plan.suggestions.empty());
  EXPECT_TRUE(plan.unplanned.empty());
}

// What a reason quotes is the sender's, and decides nothing.
TEST_F(RulesTest, WhyIsACodeWhateverTheFieldIsCalled) {
  policy_.allow = {ActionKind::WidenType};
  const Plan plan = Propose({MakeDrift(Kind::NewField, "x is left alone: y", "", {"1"})});
  ASSERT_EQ(plan.unplanned.size(), 1u);
  EXPECT_EQ(plan.unplanned[0].why, Why::NotAllowed);
  policy_.held_columns = {{"amount", "changed a moment ago"}};
  policy_.cooling = {"amount"};
  const Drift wide = MakeDrift(Kind::OutOfRange, "amount", "amount", {"2147483648"});
  EXPECT_EQ(Propose({wide}).unplanned.at(0).why, Why::Cooling);
  policy_.cooling.clear();
  EXPECT_EQ(Propose({wide}).unplanned.at(0).why, Why::Held);
}

TEST_F(RulesTest, WhatTheTypeHoldsIsNotWidened) {
  EXPECT_NE(ReasonFor(MakeDrift(Kind::Lossy, "amount", "amount", {"5.0"})).find("cannot help"),
            std::string::npos);
}

TEST_F(RulesTest, NeverTextForAColumnThatIsNot) {
  for (const char* value : {"\"x\"", "true", "{}", "[1]"}) {
    ReasonFor(MakeDrift(Kind::TypeConflict, "amount", "amount", {value}));
  }
}

TEST_F(RulesTest, LockedAndGeneratedColumnsAreLeft) {
  const Drift drift = MakeDrift(Kind::OutOfRange, "amount", "amount", {"2147483648"});
  shape_.columns[1].type_locked_by = "view \"totals\" uses it";
  EXPECT_EQ(ReasonFor(drift),
            "the type of column \"amount\" cannot be changed: view \"totals\" uses it");
  shape_.columns[1].type_locked_by.clear();
  shape_.columns[1].generated = Generated::IdentityByDefault;
  EXPECT_NE(ReasonFor(MakeDrift(Kind::Lossy, "amount", "amount", {"0.5"})).find("identity"),
            std::string::npos);
  shape_.columns[1].generated = Generated::Computed;
  EXPECT_NE(ReasonFor(drift).find("computed"), std::string::npos);
  shape_.columns.erase(shape_.columns.begin() + 1);
  EXPECT_NE(ReasonFor(drift).find("does not exist"), std::string::npos);
}

TEST_F(RulesTest, PolicyIsKept) {
  const Drift field = MakeDrift(Kind::NewField, "note", "", {"1"});
  const Drift wide = MakeDrift(Kind::OutOfRange, "amount", "amount", {"2147483648"});
  policy_.held_fields = {{"note", "its column was dropped by ann"}};
  EXPECT_EQ(ReasonFor(field), "field \"note\" is left alone: its column was dropped by ann");
  policy_.held_fields.clear();
  policy_.held_columns = {{"amount", "patch 7 was reverted"}, {"note", "patch 8 was rejected"}};
  EXPECT_NE(ReasonFor(wide).find("patch 7"), std::string::npos);
  EXPECT_NE(ReasonFor(field).find("patch 8"), std::string::npos);
  policy_.held_columns.clear();
  policy_.allow = {};
  EXPECT_NE(ReasonFor(field).find("add_column is not allowed"), std::string::npos);
  EXPECT_NE(ReasonFor(wide).find("widen_type is not allowed"), std::string::npos);
}

TEST_F(RulesTest, WithoutMappingsOnlyFieldsThatFindTheirColumn) {
  policy_.allow = {ActionKind::AddColumn};
  const Plan plan = Propose({MakeDrift(Kind::NewField, "totalPrice", "", {"1"}),
                             MakeDrift(Kind::NewField, "total price", "", {"1"}),
                             MakeDrift(Kind::NewField, "user_name", "", {"1"})});
  ASSERT_EQ(plan.patch.actions.size(), 1u);
  EXPECT_EQ(plan.patch.actions[0].column, "total_price");
  EXPECT_TRUE(plan.patch.field_map.empty());
  ASSERT_EQ(plan.unplanned.size(), 1u);
  EXPECT_EQ(plan.unplanned[0].drift, 2u);
}

TEST_F(RulesTest, ColumnsAreCapped) {
  policy_.max_columns = 5;
  const Plan plan = Propose(
      {MakeDrift(Kind::NewField, "a", "", {"1"}), MakeDrift(Kind::NewField, "b", "", {"1"})});
  EXPECT_EQ(plan.patch.actions.size(), 1u);
  ASSERT_EQ(plan.unplanned.size(), 1u);
  EXPECT_NE(plan.unplanned[0].reason.find("limit of 5 columns"), std::string::npos);
  policy_.max_columns = 400;
  shape_.max_attnum = 1600;
  EXPECT_NE(ReasonFor(MakeDrift(Kind::NewField, "a", "", {"1"})).find("1600"), std::string::npos);
}

TEST_F(RulesTest, OtherKindsAreLeftWithAReason) {
  for (Kind kind : {Kind::MissingRequired, Kind::Generated, Kind::NoPartition, Kind::Constraint,
                    Kind::Ambiguous, Kind::Malformed}) {
    ReasonFor(MakeDrift(kind, "amount", "amount", {"1"}));
  }
  EXPECT_NE(ReasonFor(MakeDrift(Kind::NewField, "x", "", {"null"})).find("no value yet"),
            std::string::npos);
  EXPECT_NE(ReasonFor(MakeDrift(Kind::NewField, "x\n", "", {"1e400000"})).find("\"x\\n\" brings"),
            std::string::npos);
}

TEST_F(RulesTest, UnprintableNamesAreForAPerson) {
  EXPECT_NE(ReasonFor(MakeDrift(Kind::NewField, "a\xC2\x85", "", {"1"})).find("printed"),
            std::string::npos);
}

TEST_F(RulesTest, NoDriftNoPatch) {
  const Plan plan = Propose({});
  EXPECT_TRUE(plan.patch.empty());
  EXPECT_TRUE(plan.patch.rationale.empty());
}

TEST(ReadingRule, ExplainsAllValuesOfAClassOrNothing) {
  Column column;
  Clocks clocks;
  column.type = {type_oid::kInt4, -1};
  drift::Drift drift;
  const auto add = [&](const char* json) {
    json::Document document;
    ASSERT_FALSE(document.Parse(json));
    drift.profile.Add(document.root());
  };
  const auto suggested = [&] {
    const reading::Readings readings = ReadingFor(column, drift, clocks);
    return readings.empty() ? std::string("-") : reading::Print(readings);
  };
  EXPECT_EQ(suggested(), "-");
  add(R"("1.234,5")");
  EXPECT_EQ(suggested(), "number_comma");
  add(R"("1 234,5")");
  EXPECT_EQ(suggested(), "number_comma");
  add(R"("x")");
  EXPECT_EQ(suggested(), "-");
  drift.profile = {};
  add(R"("007")");
  EXPECT_EQ(suggested(), "number");
  drift.cause = drift::Cause::LeadingZero;
  EXPECT_EQ(suggested(), "-");
  drift.cause = drift::Cause::EmptyText;
  drift.profile = {};
  add(R"("")");
  add(R"("N/A")");
  EXPECT_EQ(suggested(), R"(null_if("", "N/A"))");
  column.not_null = true;
  EXPECT_EQ(suggested(), "-");
  column.not_null = false;
  add(R"([""])");
  EXPECT_EQ(suggested(), "-");
}

class ReadingRuleTest : public testing::Test {
 protected:
  std::string Suggested(uint32_t type, drift::Cause cause, const std::vector<const char*>& values) {
    Column column;
    column.type = {type, -1};
    column.not_null = not_null_;
    drift::Drift drift;
    drift.cause = cause;
    for (const char* value : values) {
      json::Document document;
      EXPECT_FALSE(document.Parse(value));
      drift.profile.Add(document.root());
    }
    const reading::Readings readings = ReadingFor(column, drift, clocks_);
    return readings.empty() ? "-" : reading::Print(readings);
  }

  Clocks clocks_;
  bool not_null_ = false;
};

TEST_F(ReadingRuleTest, ElementsOfArraysAreReadWhereTheyDoNotFit) {
  using namespace type_oid;
  const drift::Cause kElement = drift::Cause::Element;
  EXPECT_EQ(Suggested(ArrayType(kInt4), kElement, {R"(["", 5])", R"(["7", "N/A"])"}),
            R"(null_if("", "N/A"))");
  not_null_ = true;  // of the array, not of its elements
  EXPECT_EQ(Suggested(ArrayType(kInt4), kElement, {R"([""])"}), R"(null_if(""))");
  EXPECT_EQ(Suggested(ArrayType(kInt4), kElement, {R"(["+5", "6", 7])"}), "number");
  EXPECT_EQ(Suggested(ArrayType(kInt4), kElement, {R"(["", "+5"])"}), "-");
  EXPECT_EQ(Suggested(ArrayType(kInt4), kElement, {R"(["x", 5])"}), "-");
  EXPECT_EQ(Suggested(ArrayType(kInt4), kElement, {R"([[""], [5]])"}), "-");
  EXPECT_EQ(Suggested(ArrayType(kInt4), kElement, {R"([""])", R"("")"}), "-");
  EXPECT_EQ(Suggested(ArrayType(kInt4), kElement, {R"([5])"}), "-");
  EXPECT_EQ(Suggested(ArrayType(kNumeric), kElement, {R"(["1.234,56", 5])"}), "number_comma");
  EXPECT_EQ(Suggested(ArrayType(kTimestamptz), kElement, {"[1700000000]"}), "epoch_s");
  EXPECT_EQ(
      Suggested(ArrayType(kTimestamptz), kElement, {R"([1700000000, "2024-01-01T00:00:00Z"])"}),
      "epoch_s");
  EXPECT_EQ(Suggested(ArrayType(kTimestamptz), kElement, {R"(["", "2024-01-01T00:00:00Z"])"}),
            R"(null_if(""))");
  EXPECT_EQ(Suggested(ArrayType(kText), kElement, {R"([""])"}), "-");
}

TEST_F(ReadingRuleTest, ObjectsForTextAreKeptAsTheirJson) {
  const drift::Cause kObject = drift::Cause::ObjectForScalar;
  EXPECT_EQ(Suggested(type_oid::kText, kObject, {R"({"a": 1})"}), "json_text");
  EXPECT_EQ(Suggested(type_oid::kText, drift::Cause::ArrayForScalar, {R"([1, "a"])"}), "json_text");
  EXPECT_EQ(Suggested(type_oid::kText, kObject, {R"({"$oid": "507f1f77bcf86cd799439011"})"}),
            "extended_json");
  EXPECT_EQ(Suggested(type_oid::kInt4, kObject, {R"({"a": 1})"}), "-");
}

TEST_F(ReadingRuleTest, ClocksWithoutAnOffsetNeedAZoneThatIsKnown) {
  const auto at_noon = [&] {
    return Suggested(type_oid::kTimestamptz, drift::Cause::NoOffset, {R"("2024-07-01T12:00:00")"});
  };
  const auto in_german = [&] {
    return Suggested(type_oid::kTimestamptz, drift::Cause::NotATime, {R"("31.12.2023 10:00")"});
  };
  EXPECT_EQ(at_noon(), "-");
  EXPECT_EQ(in_german(), "-");
  clocks_.zone = "Europe/Berlin";
  EXPECT_EQ(at_noon(), R"(time_zone("Europe/Berlin"))");
  EXPECT_EQ(in_german(), R"(date_dmy, time_zone("Europe/Berlin"))");
  clocks_.naive = true;
  EXPECT_EQ(in_german(), "date_dmy");
}

}  // namespace
}  // namespace mend::plan
