// What shows that the type of a column that pg_mend has added was guessed wrong.
#pragma once

#include "core/base/json.h"
#include "server/convert/jsonb_parts.h"

namespace mend::ingest {

// Of a column of text: a number or a boolean.
bool IsNoText(const json::Value& value);
bool IsNoText(const convert::JsonbPart& value);

// Of a column of integers: a number, or the text of one, that is written as a fraction or with an
// exponent. A jsonb has forgotten an exponent.
bool IsNoPlainInteger(const json::Value& value);
bool IsNoPlainInteger(const convert::JsonbPart& value);

}  // namespace mend::ingest
