// What in the catalogs forbids, or makes risky, a change of a column's type.
#pragma once

#include <string>
#include <vector>

#include "core/plan/patch.h"
#include "core/plan/shape.h"

namespace mend::guard {

// Fills type_locked_by, family_locked_by and online_only_by of every column: views, rules,
// generated columns, expression and partial indexes, policies and triggers that name the column,
// foreign keys on either side, partition key, domains, inherited columns, children that store it
// otherwise, unique or exclusion keys whose equality would change, statistics objects, publications
// with column lists or row filters. "" where nothing does.
void ExplainTypeLocks(plan::Shape* shape);

// The unique or exclusion key that the column is part of, e.g. "the primary key orders_pkey"; or
// "".
std::string KeyOver(uint32_t relid, int16_t attnum);

// What needs the column to be NOT NULL (primary key, replica identity, partition key); or "".
std::string NotNullHolder(uint32_t relid, int16_t attnum);

// A partition or child table where the column's NOT NULL (DropNotNull) or default (SetDefault) is
// not the table's own: the change would go through to it, and taking it back would not give it
// back; or "".
std::string UnlikeChild(uint32_t relid, int16_t attnum, plan::ActionKind change);

// Names of the publications that publish the table, FOR ALL TABLES and FOR TABLES IN SCHEMA too.
std::vector<std::string> PublicationsOf(uint32_t relid);

}  // namespace mend::guard
