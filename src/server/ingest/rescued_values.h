// What of one payload goes to the rescue column.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/drift/kind.h"
#include "server/convert/convert.h"
#include "server/table/row.h"
#include "server/table/target.h"

namespace mend::ingest {

// A value that does not fit its column, or has none, and is kept in the rescue column.
struct RescuedField {
  std::string_view field;
  int column = -1;  // index into shape.columns; -1: the field has none
  drift::Kind kind = drift::Kind::NewField;
  drift::Cause cause = drift::Cause::NewField;
  json::Value value;
};

// Whether a value of this kind is rescued, where its column allows it.
bool IsRescued(drift::Kind kind);

class RescuedValues {
 public:
  // Before each payload.
  void Begin() { kept_.clear(); }
  void ForgetFields() { fields_.clear(); }
  bool empty() const { return kept_.empty(); }
  // Keeps a value of the payload at hand, which must outlive the row. `column`: -1 for none.
  void Keep(std::string_view key, const json::Value& value, int column, drift::Kind kind,
            drift::Cause cause);
  void Keep(std::string_view key, const convert::JsonbPart& value, int column, drift::Kind kind,
            drift::Cause cause);
  // Puts what was kept into the row. Why it cannot be, or nothing.
  std::string AddTo(const table::Target& target, convert::Converter* converter, table::Row* row);
  // What the last row has in its rescue column.
  const std::vector<RescuedField>& fields() const { return fields_; }
  size_t capacity() const { return object_.capacity() + object_text_.capacity(); }

 private:
  // What is kept in the rescue column: the text of a value as it was offered, and where it belongs.
  struct Kept {
    std::string_view key;
    uint32_t token;    // of a payload that came as text
    std::string text;  // of one that came as jsonb
    int column;
    drift::Kind kind;
    drift::Cause cause;
  };

  // Of what came as jsonb. Why there is none, or nothing.
  std::string MakeTape();

  std::vector<Kept> kept_;
  const json::Document* tape_ = nullptr;  // of the values that are kept
  std::vector<convert::JsonbBytes::NamedValue> members_;
  std::string object_text_;  // of what came as jsonb: the values that are kept
  json::Document object_;
  std::vector<RescuedField> fields_;
};

}  // namespace mend::ingest
