// A landing table as ingest sees it: shape, terms, and how keys resolve to columns.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "core/plan/patch.h"
#include "core/plan/shape.h"
#include "core/reading/reading.h"
#include "server/table/enrollment.h"

namespace mend::convert {
class TypeMap;  // what conversion knows of the columns' types
}  // namespace mend::convert

namespace mend::table {

// What a layer above keeps with a target, and loses with it.
class Attachment {
 public:
  virtual ~Attachment() = default;
};
enum class AttachmentSlot : uint8_t { Plans, DirectWay, Buffers, Rescues, kCount };

struct Resolution {
  enum class Kind : uint8_t {
    Column,
    Unknown,
    Ignored,
    Ambiguous,
    Rescue  // the rescue column, which no payload may fill
  } kind = Kind::Unknown;
  int column = -1;    // index into shape.columns; when ambiguous, one that is meant
  int other = -1;     // when ambiguous, another
  int readings = -1;  // of a column: how its values are read (Target::Readings)
};

class Target {
 public:
  Target(plan::Shape shape, Enrollment enrollment, std::vector<FieldRecord> fields);
  ~Target();
  Target(Target&&) noexcept;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  // Recorded mapping, else exact column name, as CREATE TABLE cuts it, else the one column that is
  // spelled as the key is in some way (plan::Spellings), else the same of the key without invisible
  // characters, else unknown. Remembers each key it has seen (bounded).
  Resolution Resolve(std::string_view key) const;

  const plan::Shape& shape() const { return shape_; }
  const Enrollment& enrollment() const { return enrollment_; }
  const std::vector<FieldRecord>& fields() const { return fields_; }
  // Whether PostgreSQL's own coercion is wanted for this column.
  bool AcceptsLoss(int column) const { return accepts_loss_[static_cast<size_t>(column)]; }
  // Index of the column that keeps rescued values; -1: there is none, or none that can.
  int rescue_column() const { return rescue_column_; }
  // How values of that key are read which do not fit as they are; nullptr: not at all.
  const reading::Readings* ReadingsOf(const Resolution& resolution) const {
    return resolution.readings < 0 ? nullptr : &readings_[static_cast<size_t>(resolution.readings)];
  }
  // Whether a value that does not fit this column may be rescued: the column is then NULL.
  bool MayRescue(int column) const { return may_rescue_[static_cast<size_t>(column)] != 0; }
  // Columns that a row must bring: NOT NULL, and nothing supplies a value.
  const std::vector<int>& required() const { return required_; }

  // Whether the column's enum is to have this label, which it does not have yet: of Patched().
  bool AwaitsLabel(int column, std::string_view label) const;
  void AwaitLabels(uint32_t type, const std::vector<std::string>& labels);

  convert::TypeMap& types() const { return *types_; }
  // Made when first asked for. A slot has one type.
  template <class T>
  T& Attached(AttachmentSlot slot) const {
    std::unique_ptr<Attachment>& held = attachments_[static_cast<size_t>(slot)];
    if (!held) {
      held = std::make_unique<T>();
    }
    return static_cast<T&>(*held);
  }

 private:
  Resolution Look(std::string_view key) const;
  Resolution LookByName(std::string_view key) const;
  Resolution LookForColumn(std::string_view key) const;
  int AddReadings(const plan::Column& column, const std::string& recorded);
  void TakeReadings();

  plan::Shape shape_;
  Enrollment enrollment_;
  std::vector<FieldRecord> fields_;
  std::vector<bool> accepts_loss_;
  std::map<uint32_t, std::vector<std::string>> awaited_labels_;  // by enum
  std::vector<int> required_;
  int rescue_column_ = -1;
  std::vector<char> may_rescue_;
  std::vector<reading::Readings> readings_;
  std::vector<int> readings_of_column_;                      // -1: none
  std::unordered_map<std::string, int> readings_of_field_;   // of fields that have their own
  std::unordered_map<std::string, Resolution> by_field_;     // what mend.fields records
  std::unordered_map<std::string, Resolution> by_name_;      // exact column names
  std::unordered_map<std::string, Resolution> by_spelling_;  // all spellings of column names
  // Keys seen so far; the views point into seen_keys_.
  mutable std::unordered_map<std::string_view, Resolution> resolved_;
  mutable std::deque<std::string> seen_keys_;
  std::unique_ptr<convert::TypeMap> types_;
  mutable std::array<std::unique_ptr<Attachment>, static_cast<size_t>(AttachmentSlot::kCount)>
      attachments_;
};

// The enrolled table, cached in this session and dropped when the relation, its enrolment or its
// field mappings change (relcache invalidation). Throws 55000 with a hint when not enrolled, 42P01
// when there is no such table. Valid until the end of the current command's use: hold the pointer.
std::shared_ptr<const Target> FindTarget(Oid relid);

// The target as it would be after `patch`: what a proof converts against. Adds columns, changes
// types, relaxes NOT NULL, adds defaults and mappings. Pure.
Target Patched(const Target& target, const plan::Patch& patch);

}  // namespace mend::table
