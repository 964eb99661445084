// Wall 2: the only text that ever runs is the one rendered here from typed actions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/plan/patch.h"
#include "core/plan/shape.h"

namespace mend::guard {

// "ALTER TABLE schema.name ADD COLUMN ...": qualified, quoted, types from pg_catalog. Empty for no
// actions. Throws pg::Error (XX000) when the text, parsed once more, does not give back the
// actions. A reading stands in it as ALTER COLUMN ... SET (mend.read_as = '...'), which is for
// ourselves: see RenderForServer().
std::string Render(const plan::Shape& shape, const std::vector<plan::Action>& actions);

// The text of added labels without them: how many there are. No statement.
std::string RenderWithoutLabels(const plan::Action& action);

// Why the enum of a column of the table is given no label here.
std::optional<std::string> WhyNoLabels(uint32_t relid, uint32_t type);

// Whether a text can be a label that the enum lacks: neither blank nor a word for nothing.
bool MayBeLabel(uint32_t type, const std::string& label);

// Why the actions would not pass the first wall, though all their kinds were allowed; nullopt: they
// pass.
std::optional<std::string> WhyRefused(const plan::Shape& shape,
                                      const std::vector<plan::Action>& actions);

// The same without what PostgreSQL is not told of: what is run.
std::string RenderForServer(const plan::Shape& shape, std::vector<plan::Action> actions);

// The text that takes the actions back, against the shape they are applied to. Empty for none.
std::string RenderInverse(const plan::Shape& shape, const std::vector<plan::Action>& actions);

// What gives a column's value in its former type `from`, of which a patch made `to`.
std::string RenderBack(const std::string& column, const plan::Type& from, const plan::Type& to);

// A type as it is rendered: pg_catalog."varchar"(40). Types that are not listed too, for the
// inverse.
std::string RenderType(const plan::Type& type);
// The type that such a text names, looked up under pg_catalog alone; throws 42704 where it is gone.
plan::Type ParseType(const std::string& text);

// Whether the type, or the element type of the array, is a listed built-in.
bool IsListed(const plan::Type& type);

}  // namespace mend::guard
