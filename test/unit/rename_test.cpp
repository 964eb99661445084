#include "core/plan/rename.h"

#include <gtest/gtest.h>

#include "core/base/json.h"

namespace mend::plan {
namespace {

using drift::Drift;
using drift::DriftSet;
using drift::Kind;
using namespace type_oid;

TEST(RenameTest, NamesThatAreAlike) {
  EXPECT_TRUE(NamesAreAlike("qty", "quantity"));
  EXPECT_TRUE(NamesAreAlike("cust_name", "customerName"));
  EXPECT_TRUE(NamesAreAlike("colour", "color"));
  EXPECT_TRUE(NamesAreAlike("adress", "address"));
  EXPECT_TRUE(NamesAreAlike("userid", "user_id"));
  EXPECT_TRUE(NamesAreAlike("e-mail", "email"));
  EXPECT_TRUE(NamesAreAlike("email", "emailAddress"));
  EXPECT_TRUE(NamesAreAlike("total", "order_total"));
  EXPECT_TRUE(NamesAreAlike("email", "email_address", true));

  EXPECT_TRUE(NamesAreAlike("organisation", "organization"));
  EXPECT_TRUE(NamesAreAlike("adviser_name", "advisor_name"));
  EXPECT_TRUE(NamesAreAlike("desc", "description"));
  EXPECT_TRUE(NamesAreAlike("tag", "tags"));
  EXPECT_TRUE(NamesAreAlike("ORDER-TOTAL", "orderTotal", true));

  for (const bool plainly : {false, true}) {
    const std::pair<const char*, const char*> kOthers[] = {
        {"new", "newer"},       {"new", "newest"},          {"act", "action"},
        {"sell", "seller"},     {"ship", "shipped"},        {"use", "user"},
        {"height", "weight"},   {"latitude", "altitude"},   {"internal", "interval"},
        {"price", "prize"},     {"state", "stale"},         {"month", "mouth"},
        {"begin", "being"},     {"name", "first_name"},     {"price", "old_price"},
        {"id", "parent_id"},    {"start_date", "end_date"}, {"is_new", "new"},
        {"user_id", "used_id"}, {"max_rate", "rate"},       {"sender", "gender"}};
    for (const auto& [one, other] : kOthers) {
      EXPECT_FALSE(NamesAreAlike(one, other, plainly)) << one << " " << other;
      EXPECT_FALSE(NamesAreAlike(other, one, plainly)) << one << " " << other;
    }
  }
  EXPECT_FALSE(NamesAreAlike("total", "order_total", true));
  EXPECT_FALSE(NamesAreAlike("first_name", "last_name"));
  EXPECT_FALSE(NamesAreAlike("created_at", "updated_at"));
  EXPECT_FALSE(NamesAreAlike("address1", "address2"));
  EXPECT_FALSE(NamesAreAlike("price_usd", "price_eur"));
  EXPECT_FALSE(NamesAreAlike("id", "is"));
  EXPECT_FALSE(NamesAreAlike("a", "b"));
  EXPECT_FALSE(NamesAreAlike("", "name"));
  EXPECT_FALSE(NamesAreAlike("amount", "discount"));
}

class CandidatesTest : public testing::Test {
 protected:
  CandidatesTest() {
    Add("id", kInt8, "bigint");
    Add("customer_name", kText, "text");
    Add("qty", kInt4, "integer");
  }
  void Add(const std::string& name, uint32_t oid, const std::string& text) {
    Column& column = shape_.columns.emplace_back();
    column.name = name;
    column.type = {oid, -1};
    column.type_text = text;
  }
  static Drift Make(Kind kind, const std::string& field, const std::string& column,
                    const std::string& value) {
    Drift drift;
    drift.kind = kind;
    drift.field = field;
    drift.column = column;
    drift.row_count = 1;
    json::Document document;
    EXPECT_FALSE(document.Parse(value));
    drift.profile.Add(document.root());
    return drift;
  }
  std::string Found(const DriftSet& drifts) {
    std::string found;
    for (const Rename& rename : RenameCandidates(shape_, drifts)) {
      found += rename.field + (rename.required ? " => " : " -> ") + rename.column + ";";
    }
    return found;
  }

  Shape shape_;
};

TEST_F(CandidatesTest, OneFieldForOneColumnOfItsKind) {
  const Drift cust = Make(Kind::NewField, "custName", "", "\"x\"");
  const Drift quantity = Make(Kind::NewField, "quantity", "", "5");
  EXPECT_EQ(Found({cust, quantity}), "custName -> customer_name;quantity -> qty;");
  EXPECT_EQ(Found({Make(Kind::NewField, "quantity", "", "\"many\"")}), "");
  EXPECT_EQ(Found({Make(Kind::NewField, "custName", "", "7")}), "");
  EXPECT_EQ(Found({cust, Make(Kind::NewField, "customer_nm", "", "\"y\"")}), "");
  EXPECT_EQ(Found({quantity, Make(Kind::OutOfRange, "qty", "qty", "5000000000")}), "");

  shape_.columns[2].has_default = true;
  EXPECT_EQ(Found({quantity}), "");
  shape_.columns[2].has_default = false;
  shape_.columns[2].not_null = true;
  EXPECT_EQ(Found({quantity}), "");
  EXPECT_EQ(Found({quantity, Make(Kind::MissingRequired, "qty", "qty", "null")}),
            "quantity => qty;");
}

TEST_F(CandidatesTest, ARequiredColumnGoesBeforeOneThatMayBeEmpty) {
  Add("customer_nm", kText, "text");
  const Drift fresh = Make(Kind::NewField, "cust_name", "", "\"x\"");
  EXPECT_EQ(Found({fresh}), "");
  shape_.columns[3].not_null = true;
  EXPECT_EQ(Found({fresh, Make(Kind::MissingRequired, "customer_nm", "customer_nm", "null")}),
            "cust_name => customer_nm;");
}

}  // namespace
}  // namespace mend::plan
