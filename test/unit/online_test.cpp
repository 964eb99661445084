#include "core/plan/online.h"

#include <gtest/gtest.h>

#include "core/plan/typmod.h"

namespace mend::plan {
namespace {

constexpr Type kSmall{type_oid::kInt2, -1}, kInt{type_oid::kInt4, -1}, kBig{type_oid::kInt8, -1},
    kReal{type_oid::kFloat4, -1}, kDouble{type_oid::kFloat8, -1}, kNumber{type_oid::kNumeric, -1},
    kText{type_oid::kText, -1};

TEST(Online, CopiesWhatCannotFail) {
  EXPECT_TRUE(CanCopy(kSmall, kInt));
  EXPECT_TRUE(CanCopy(kInt, kBig));
  EXPECT_TRUE(CanCopy(kBig, kNumber));
  EXPECT_TRUE(CanCopy(kReal, kDouble));
  EXPECT_TRUE(CanCopy(kInt, {type_oid::kNumeric, EncodeNumeric(12, 2)}));
  EXPECT_FALSE(CanCopy(kInt, {type_oid::kNumeric, EncodeNumeric(11, 2)}));
  EXPECT_FALSE(CanCopy(kBig, kInt));
  EXPECT_FALSE(CanCopy(kInt, kInt));
  EXPECT_FALSE(CanCopy(kInt, kText));
  EXPECT_FALSE(CanCopy(kDouble, kNumber));
}

Shape WithColumn(const Column& column) {
  Shape shape;
  shape.columns.push_back(column);
  return shape;
}

Patch ChangeTo(const Type& type) {
  Patch patch;
  patch.actions.push_back({ActionKind::WidenType, "n", type, std::nullopt, false});
  return patch;
}

TEST(Online, WhatHoldsAColumnPlainlyHoldsItOnlineWhereNothingIsCopied) {
  Column column;
  column.name = "n";
  column.type = kInt;
  column.online_only_by = "foreign key k of t names it";
  EXPECT_EQ(LockOf(column, kBig), "");
  EXPECT_EQ(LockOf(column, kText), column.online_only_by);
  EXPECT_EQ(WhyOnlineOnly(WithColumn(column), ChangeTo(kBig)),
            "ALTER TABLE cannot change the type of column \"n\": foreign key k of t names it");
  EXPECT_EQ(WhyOnlineOnly(WithColumn(column), ChangeTo(kText)), "");
  column.type_locked_by = "view \"v\" uses it";
  EXPECT_EQ(LockOf(column, kBig), column.type_locked_by);
}

TEST(Online, AColumnThatRefersToIntegersTakesNoOthers) {
  Column column;
  EXPECT_EQ(column.WhyNotBecome(kNumber), "");
  column.refers = true;
  EXPECT_EQ(column.WhyNotBecome(kBig), "");
  EXPECT_NE(column.WhyNotBecome(kNumber), "");
}

}  // namespace
}  // namespace mend::plan
