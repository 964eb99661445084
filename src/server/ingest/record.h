// The record in a payload, where the enrolment says that records are.
#pragma once

#include <optional>
#include <vector>

#include "core/base/json.h"
#include "core/drift/kind.h"
#include "server/convert/jsonb_parts.h"
#include "server/table/target.h"

namespace mend::ingest {

// nullopt, with a misfit: there is none. `is_record`: the payload is the record, wherever the
// enrolment says that records are.
std::optional<json::Value> RecordIn(const table::Target& target, const json::Value& payload,
                                    bool is_record, std::vector<drift::Misfit>* misfits);
// nullptr, with a misfit: there is none, or the payload is nested too deep.
const JsonbContainer* RecordIn(const table::Target& target, const convert::JsonbPart& payload,
                               std::vector<drift::Misfit>* misfits);

}  // namespace mend::ingest
