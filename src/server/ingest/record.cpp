#include "server/ingest/record.h"

#include "server/convert/fault.h"

namespace mend::ingest {
namespace {

using drift::Cause;
using drift::Kind;
using drift::Misfit;

// no_sql_json_item: the payload has no record.
constexpr char kNoItem[] = "22035";

// Of a payload without a row, and so without a key.
Misfit& AddMalformed(Cause cause, const char* sqlstate, std::string message,
                     std::vector<Misfit>* misfits) {
  Misfit& misfit = misfits->emplace_back();
  misfit.cause = cause;
  misfit.sqlstate = sqlstate;
  misfit.message = std::move(message);
  return misfit;
}

void AddNoObject(std::vector<Misfit>* misfits) {
  AddMalformed(Cause::NotAnObject, "22023", "the payload is not a JSON object", misfits);
}

// `twice` is a key on the way that its object has twice.
void AddNoRecord(const table::Target& target, const std::optional<std::string_view>& twice,
                 std::vector<Misfit>* misfits) {
  const std::string at = convert::Quote(target.enrollment().at.text());
  if (twice) {
    Misfit& misfit =
        AddMalformed(Cause::DuplicateKey, "22030",
                     "duplicate JSON object key value: " + convert::Quote(*twice), misfits);
    misfit.kind = Kind::Ambiguous;
    misfit.field = *twice;
  } else {
    AddMalformed(Cause::NoRecord, kNoItem, "the payload has no object at " + at, misfits).about =
        at;
  }
}

}  // namespace

std::optional<json::Value> RecordIn(const table::Target& target, const json::Value& payload,
                                    bool is_record, std::vector<Misfit>* misfits) {
  if (is_record || target.enrollment().at.IsWhole()) {
    if (payload && payload.kind() == json::Kind::Object) {
      return payload;
    }
    AddNoObject(misfits);
    return std::nullopt;
  }
  const json::Pointer::Place place =
      payload ? target.enrollment().at.Find(payload) : json::Pointer::Place();
  if (place.value && place.value.kind() == json::Kind::Object) {
    return place.value;
  }
  AddNoRecord(target, place.twice, misfits);
  return std::nullopt;
}

const JsonbContainer* RecordIn(const table::Target& target, const convert::JsonbPart& payload,
                               std::vector<Misfit>* misfits) {
  if (convert::IsDeeperThan(payload, json::kMaxDepth)) {
    AddMalformed(Cause::TooDeep, "54000",
                 "the payload is nested deeper than " + std::to_string(json::kMaxDepth) + " levels",
                 misfits);
    return nullptr;
  }
  const bool whole = target.enrollment().at.IsWhole();
  const std::optional<convert::JsonbPart> record =
      whole ? payload : convert::Find(payload, target.enrollment().at);
  if (record && record->IsContainer() && JsonContainerIsObject(record->container())) {
    return record->container();
  }
  whole ? AddNoObject(misfits) : AddNoRecord(target, std::nullopt, misfits);
  return nullptr;
}

}  // namespace mend::ingest
