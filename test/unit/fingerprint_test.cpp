#include "core/plan/fingerprint.h"

#include <gtest/gtest.h>

#include "core/base/hash.h"
#include "core/limits/breaker.h"
#include "core/plan/patch.h"

namespace mend::plan {
namespace {

TEST(Hash, IsFnv1a128) {
  EXPECT_EQ(base::Hash().Hex(), "6c62272e07bb014262b821756295c58d");
  EXPECT_EQ(base::Hash().Add("a").Hex(), base::Hash().Add("a").Hex());
  EXPECT_NE(base::Hash().Add("ab").Add("c").Hex(), base::Hash().Add("a").Add("bc").Hex());
}

Shape MakeShape() {
  Shape shape;
  shape.relid = 1;
  shape.schema = "tenant_1";
  shape.name = "orders";
  Column id;
  id.name = "id";
  id.type = {type_oid::kInt4, -1};
  id.type_text = "integer";
  shape.columns = {id};
  return shape;
}

drift::Drift MakeDrift(const std::string& field, const std::vector<std::string>& values) {
  drift::Drift drift;
  drift.field = field;
  for (const std::string& value : values) {
    json::Document document;
    EXPECT_FALSE(document.Parse(value));
    drift.profile.Add(document.root());
  }
  return drift;
}

TEST(Fingerprint, IsOneForAThousandTenants) {
  const Shape one = MakeShape();
  Shape other = MakeShape();
  other.relid = 2;
  other.schema = "tenant_2";
  other.name = "bestellungen";
  other.total_bytes = 99;
  EXPECT_EQ(ShapeFingerprint(one), ShapeFingerprint(other));
  other.columns[0].not_null = true;
  EXPECT_NE(ShapeFingerprint(one), ShapeFingerprint(other));
  other = MakeShape();
  other.columns[0].type_text = "bigint";
  EXPECT_NE(ShapeFingerprint(one), ShapeFingerprint(other));
}

TEST(Fingerprint, SeesWhatIsProvedNotHowOften) {
  const Shape shape = MakeShape();
  const drift::Drift a = MakeDrift("a", {"1"});
  const drift::Drift more = MakeDrift("a", {"1", "2", "null"});
  const drift::Drift text = MakeDrift("a", {"1", "\"x\""});
  const drift::Drift b = MakeDrift("b", {"1"});
  EXPECT_EQ(DriftFingerprint(shape, {a, b}), DriftFingerprint(shape, {b, more}));
  EXPECT_NE(DriftFingerprint(shape, {a}), DriftFingerprint(shape, {text}));
  EXPECT_NE(DriftFingerprint(shape, {a}), DriftFingerprint(shape, {b}));
  EXPECT_NE(DriftFingerprint(shape, {a}), DriftFingerprint(shape, {a, b}));
}

TEST(Shape, QuotesWhatNeedsIt) {
  Shape shape = MakeShape();
  EXPECT_EQ(shape.QualifiedName(), "tenant_1.orders");
  shape.schema = "A";
  shape.name = "or\"ders";
  EXPECT_EQ(shape.QualifiedName(), "\"A\".\"or\"\"ders\"");
  EXPECT_NE(shape.Find("id"), nullptr);
  EXPECT_EQ(shape.Find("ID"), nullptr);
}

TEST(Patch, ActionNamesComeBack) {
  for (int i = 0; i <= static_cast<int>(ActionKind::MapField); ++i) {
    const ActionKind kind = static_cast<ActionKind>(i);
    EXPECT_EQ(ActionKindFromName(Name(kind)), kind);
  }
  EXPECT_FALSE(ActionKindFromName("drop_table"));
}

TEST(Breaker, BacksOffToFiveMinutes) {
  EXPECT_EQ(limits::BackoffMs(1), 1000);
  EXPECT_EQ(limits::BackoffMs(2), 2000);
  EXPECT_EQ(limits::BackoffMs(9), 256000);
  EXPECT_EQ(limits::BackoffMs(10), 300000);
  EXPECT_EQ(limits::BackoffMs(2000000000), 300000);
  EXPECT_EQ(limits::BackoffMs(-5), 1000);
}

}  // namespace
}  // namespace mend::plan
