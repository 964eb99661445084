// A landing table with drift that rules leave, for tests of the claude planner.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/plan/claude/conversation.h"

namespace mend::test {

inline plan::Column MakeColumn(const std::string& name, uint32_t oid, const std::string& text,
                               bool not_null = false) {
  plan::Column column;
  column.name = name;
  column.type = {oid, -1};
  column.type_text = text;
  column.not_null = not_null;
  return column;
}

inline drift::Drift MakeDrift(drift::Kind kind, const std::string& field, const std::string& column,
                              const std::vector<std::string>& values) {
  drift::Drift drift;
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

// public.orders(id, customer_name required, amount integer, note): amounts with a unit, and
// customer_name renamed to customer.
struct Orders {
  Orders() {
    shape.schema = "public";
    shape.name = "orders";
    shape.columns = {MakeColumn("id", plan::type_oid::kInt8, "bigint", true),
                     MakeColumn("customer_name", plan::type_oid::kText, "text", true),
                     MakeColumn("amount", plan::type_oid::kInt4, "integer"),
                     MakeColumn("note", plan::type_oid::kText, "text")};
    shape.max_attnum = 4;
    policy.allow = {plan::ActionKind::AddColumn, plan::ActionKind::WidenType,
                    plan::ActionKind::MapField};
    input.shape = &shape;
    input.drift = &drift;
    input.policy = &policy;
  }
  Orders(const Orders&) = delete;
  Orders& operator=(const Orders&) = delete;

  void AddAmount() {
    Add("amount", "amount", drift::Kind::TypeConflict, {"\"12.50 USD\"", "\"7.00 EUR\""});
  }
  void AddRename() {
    Add("customer", "", drift::Kind::NewField, {"\"Ann\"", "\"Bob\""});
    AddMissing();
    input.together.push_back({"customer", "customer_name", 2});
  }
  void AddMissing() {
    drift::Drift missing =
        MakeDrift(drift::Kind::MissingRequired, "customer_name", "customer_name", {});
    missing.row_count = 2;
    missing.profile.AddAbsent();
    missing.profile.AddAbsent();
    drift.push_back(missing);
  }
  void Add(const std::string& field, const std::string& column, drift::Kind kind,
           const std::vector<std::string>& values) {
    drift.push_back(MakeDrift(kind, field, column, values));
    input.samples[field] = values;
  }

  plan::Shape shape;
  drift::DriftSet drift;
  plan::Policy policy;
  plan::claude::Case input;
};

}  // namespace mend::test
