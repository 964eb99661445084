// What readings must know of a built-in scalar type.
#pragma once

#include "core/plan/shape.h"
#include "core/reading/reading.h"

namespace mend::plan {

inline reading::Family ReadingFamily(uint32_t oid) {
  using reading::Family;
  using namespace type_oid;
  switch (oid) {
    case kInt2:
    case kInt4:
    case kInt8:
    case kNumeric:
    case kFloat4:
    case kFloat8: return Family::Number;
    case kBool: return Family::Boolean;
    case kDate: return Family::Date;
    case kTimestamp: return Family::Timestamp;
    case kTimestamptz: return Family::TimestampTz;
    case kBytea: return Family::Bytea;
    case kUuid: return Family::Uuid;
    case kText:
    case kVarchar: return Family::Text;
    case kJson:
    case kJsonb: return Family::Json;
    case kChar:
    case kName:
    case kBpchar: return Family::Char;
    default: return Family::Other;
  }
}

}  // namespace mend::plan
