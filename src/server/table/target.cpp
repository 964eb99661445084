#include "server/table/target.h"

#include <algorithm>

#include "core/base/invisible.h"
#include "core/base/utf8.h"
#include "core/plan/identifier.h"
#include "server/convert/type_info.h"

namespace mend::table {
namespace {

constexpr size_t kMaxSeenKeys = 4096;
constexpr size_t kMaxSeenKeyBytes = 256;

// The field that is called as the column is may have gone elsewhere, or been ignored.
void AddReading(const plan::Action& more, std::vector<FieldRecord>* fields) {
  for (FieldRecord& record : *fields) {
    if (record.field == more.column && record.column == more.column) {
      record.reading = plan::JoinedReading(record.reading, more.reading);
      return;
    }
  }
  fields->erase(
      std::remove_if(fields->begin(), fields->end(),
                     [&](const FieldRecord& record) { return record.field == more.column; }),
      fields->end());
  fields->push_back({more.column, more.column, {}, more.reading});
}

}  // namespace

Target::Target(plan::Shape shape, Enrollment enrollment, std::vector<FieldRecord> fields)
    : shape_(std::move(shape)),
      enrollment_(std::move(enrollment)),
      fields_(std::move(fields)),
      types_(std::make_unique<convert::TypeMap>()) {
  for (size_t i = 0; i < shape_.columns.size(); ++i) {
    const plan::Column& column = shape_.columns[i];
    const int index = static_cast<int>(i);
    accepts_loss_.push_back(!enrollment_.lossless ||
                            enrollment_.lossy_columns.count(column.name) > 0);
    if (column.not_null && !column.has_default && column.generated == plan::Generated::No &&
        !shape_.has_before_insert) {
      required_.push_back(index);
    }
    const bool rescues = !enrollment_.rescue.empty() && column.name == enrollment_.rescue;
    if (rescues && column.type.oid == plan::type_oid::kJsonb && !column.not_null &&
        column.generated == plan::Generated::No) {
      rescue_column_ = index;
    }
    may_rescue_.push_back(!column.not_null && column.generated == plan::Generated::No &&
                          enrollment_.bound_columns.count(column.name) == 0);
    const Resolution::Kind kind = rescues ? Resolution::Kind::Rescue : Resolution::Kind::Column;
    by_name_[column.name] = {kind, index, -1};
    for (std::string& spelling : plan::Spellings(column.name)) {
      const auto [twin, fresh] =
          by_spelling_.try_emplace(std::move(spelling), Resolution{kind, index, -1});
      if (!fresh) {
        twin->second = {Resolution::Kind::Ambiguous, twin->second.column, index};
      }
    }
  }
  for (const FieldRecord& record : fields_) {
    if (record.column) {
      const auto live = by_name_.find(*record.column);
      if (live != by_name_.end()) {
        by_field_[record.field] = live->second;
      }
    } else if (record.held.empty()) {
      by_field_[record.field] = {Resolution::Kind::Ignored, -1, -1};
    }
  }
  TakeReadings();
}

// What is recorded for the column, and behind it what the enrolment says of all. The index of both
// in readings_, or -1 where that is nothing.
int Target::AddReadings(const plan::Column& column, const std::string& recorded) {
  reading::Readings readings;
  if (base::Result<reading::Readings> parsed = reading::Parse(recorded); parsed) {
    readings = std::move(*parsed);
  }
  if (!enrollment_.null_if.empty() &&
      reading::Suits(reading::Kind::NullIf, types_->Find(column.type.oid).family)) {
    readings =
        reading::Joined(std::move(readings), {{reading::Kind::NullIf, enrollment_.null_if, 0}});
  }
  if (readings.empty()) {
    return -1;
  }
  readings_.push_back(std::move(readings));
  return static_cast<int>(readings_.size()) - 1;
}

// A reading of the field that is called as the column is the column's, whatever key brings a value;
// any other is the field's alone.
void Target::TakeReadings() {
  const bool any = !enrollment_.null_if.empty() ||
                   std::any_of(fields_.begin(), fields_.end(),
                               [](const FieldRecord& record) { return !record.reading.empty(); });
  if (!any) {
    return;
  }
  for (const plan::Column& column : shape_.columns) {
    const bool given = column.generated == plan::Generated::No ||
                       column.generated == plan::Generated::IdentityByDefault;
    std::string recorded;
    for (const FieldRecord& record : fields_) {
      if (record.field == column.name && record.column == column.name) {
        recorded = record.reading;
      }
    }
    readings_of_column_.push_back(given ? AddReadings(column, recorded) : -1);
    for (const FieldRecord& record : fields_) {
      if (given && !record.reading.empty() && record.column == column.name &&
          record.field != column.name) {
        readings_of_field_[record.field] = AddReadings(column, record.reading);
      }
    }
  }
}

Target::~Target() = default;
Target::Target(Target&&) noexcept = default;

Resolution Target::Look(std::string_view key) const {
  Resolution resolution = LookForColumn(key);
  if (resolution.kind == Resolution::Kind::Column && !readings_of_column_.empty()) {
    const auto own = readings_of_field_.find(std::string(key));
    resolution.readings = own != readings_of_field_.end()
                              ? own->second
                              : readings_of_column_[static_cast<size_t>(resolution.column)];
  }
  return resolution;
}

Resolution Target::LookForColumn(std::string_view key) const {
  const std::string name(key);
  if (const auto found = by_field_.find(name); found != by_field_.end()) {
    return found->second;
  }
  const Resolution resolution = LookByName(key);
  if (resolution.kind != Resolution::Kind::Unknown) {
    return resolution;
  }
  const std::string visible = base::WithoutInvisible(key);
  return visible == key ? resolution : LookByName(visible);
}

Resolution Target::LookByName(std::string_view key) const {
  const std::string name(base::CutUtf8(key, plan::kMaxIdentifierBytes));
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    return found->second;
  }
  Resolution resolution;
  for (const std::string& spelling : plan::Spellings(key)) {
    const auto found = by_spelling_.find(spelling);
    if (found == by_spelling_.end()) {
      continue;
    }
    if (found->second.kind == Resolution::Kind::Ambiguous) {
      return found->second;
    }
    if (resolution.kind == Resolution::Kind::Column && resolution.column != found->second.column) {
      return {Resolution::Kind::Ambiguous, resolution.column, found->second.column};
    }
    resolution = found->second;
  }
  return resolution;
}

Resolution Target::Resolve(std::string_view key) const {
  if (const auto known = resolved_.find(key); known != resolved_.end()) {
    return known->second;
  }
  const Resolution resolution = Look(key);
  if (key.size() <= kMaxSeenKeyBytes && seen_keys_.size() < kMaxSeenKeys) {
    resolved_.emplace(seen_keys_.emplace_back(key), resolution);
  }
  return resolution;
}

bool Target::AwaitsLabel(int column, std::string_view label) const {
  if (awaited_labels_.empty()) {
    return false;
  }
  const auto found = awaited_labels_.find(shape_.columns[static_cast<size_t>(column)].type.oid);
  return found != awaited_labels_.end() &&
         std::find(found->second.begin(), found->second.end(), label) != found->second.end();
}

void Target::AwaitLabels(uint32_t type, const std::vector<std::string>& labels) {
  awaited_labels_[type] = labels;
}

Target Patched(const Target& target, const plan::Patch& patch) {
  plan::Shape shape = target.shape();
  for (const plan::Action& action : patch.actions) {
    plan::Column* column = nullptr;
    for (plan::Column& candidate : shape.columns) {
      if (candidate.name == action.column) {
        column = &candidate;
      }
    }
    if (action.kind == plan::ActionKind::AddColumn && column == nullptr) {
      column = &shape.columns.emplace_back();
      column->name = action.column;
      column->type = action.type;
      column->has_default = action.default_literal.has_value();
    } else if (column == nullptr) {
      continue;
    } else if (plan::ChangesType(action.kind)) {
      column->type = action.type;
      // Rules make no column text that has another type: it is a person's then.
      column->own = column->own && action.type.oid != TEXTOID;
    } else if (action.kind == plan::ActionKind::DropNotNull) {
      column->not_null = false;
    } else if (action.kind == plan::ActionKind::SetDefault) {
      column->has_default = column->default_is_given = true;
    }
  }
  std::vector<FieldRecord> fields;
  for (const FieldRecord& record : target.fields()) {
    bool replaced = false;
    for (const plan::FieldMapping& mapping : patch.field_map) {
      replaced = replaced || mapping.field == record.field;
    }
    if (!replaced) {
      fields.push_back(record);
    }
  }
  for (const plan::FieldMapping& mapping : patch.field_map) {
    fields.push_back({mapping.field, mapping.column, {}});
  }
  for (const plan::Action& action : patch.actions) {
    if (action.kind == plan::ActionKind::ReadAs) {
      AddReading(action, &fields);
    }
  }
  Target patched(std::move(shape), target.enrollment(), std::move(fields));
  for (const plan::Action& action : patch.actions) {
    if (action.kind == plan::ActionKind::AddEnumValue) {
      patched.AwaitLabels(action.type.oid, action.labels);
    }
  }
  return patched;
}

}  // namespace mend::table
