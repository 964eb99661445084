#include "server/ingest/rescued_values.h"

#include <algorithm>

namespace mend::ingest {

bool IsRescued(drift::Kind kind) {
  return kind == drift::Kind::TypeConflict || kind == drift::Kind::OutOfRange ||
         kind == drift::Kind::TooLong || kind == drift::Kind::Lossy;
}

void RescuedValues::Keep(std::string_view key, const json::Value& value, int column,
                         drift::Kind kind, drift::Cause cause) {
  kept_.push_back({key, value.index(), {}, column, kind, cause});
  tape_ = value.document();
}
void RescuedValues::Keep(std::string_view key, const convert::JsonbPart& value, int column,
                         drift::Kind kind, drift::Cause cause) {
  kept_.push_back({key, 0, std::string(convert::TextOf(value)), column, kind, cause});
  tape_ = nullptr;
}

std::string RescuedValues::AddTo(const table::Target& target, convert::Converter* converter,
                                 table::Row* row) {
  if (tape_ == nullptr) {
    if (std::string why = MakeTape(); !why.empty()) {
      return why;
    }
  }
  size_t bytes = 0;
  members_.clear();
  for (const Kept& kept : kept_) {
    const json::Token& token = tape_->tokens()[kept.token];
    bytes +=
        kept.key.size() + (token.end - token.begin) +
        (convert::JsonbBytes::Takes(tape_->tokens(), kept.token) ? 0
                                                                 : convert::JsonbBytes::kMaxBytes);
    members_.push_back({kept.key, kept.token});
    fields_.push_back({kept.key, kept.column, kept.kind, kept.cause, {tape_, kept.token}});
  }
  if (bytes > convert::JsonbBytes::kMaxBytes) {
    return "its values take more than " +
           std::to_string(convert::JsonbBytes::kMaxBytes / 1024 / 1024) + " MB";
  }
  const int column = target.rescue_column();
  Datum value = 0;
  if (!converter->ToJsonbObject(*tape_, members_, &value)) {
    return converter->fault().message;
  }
  const auto at = std::lower_bound(row->columns.begin(), row->columns.end(), column);
  const std::ptrdiff_t offset = at - row->columns.begin();
  row->columns.insert(at, column);
  row->values.insert(row->values.begin() + offset, value);
  row->nulls.insert(row->nulls.begin() + offset, 0);
  return {};
}

std::string RescuedValues::MakeTape() {
  object_text_ = "[";
  for (const Kept& kept : kept_) {
    object_text_ += object_text_.size() > 1 ? "," : "";
    object_text_ += kept.text;
  }
  object_text_ += ']';
  if (const auto failure = object_.Parse(object_text_)) {
    return failure->message;
  }
  tape_ = &object_;
  json::Value value = object_.root().First();
  for (Kept& kept : kept_) {
    kept.token = value.index();
    value = object_.root().After(value);
  }
  return {};
}

}  // namespace mend::ingest
