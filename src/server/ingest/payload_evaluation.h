// The evaluation of one payload after the other. For evaluate.cpp alone.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/invisible.h"
#include "core/base/number.h"
#include "core/plan/identifier.h"
#include "server/convert/convert.h"
#include "server/ingest/evaluate.h"
#include "server/ingest/guessed_type.h"
#include "server/ingest/key_places.h"
#include "server/ingest/misfit_writer.h"
#include "server/ingest/record.h"
#include "server/ingest/rescued_values.h"
#include "server/ingest/unknown_keys.h"
#include "server/store/generated.h"
#include "server/store/row_key.h"

namespace mend::ingest {

class Evaluator::Work {
  using Cause = drift::Cause;
  using Kind = drift::Kind;
  using Misfit = drift::Misfit;

 public:
  explicit Work(const table::Target& target)
      : target_(target),
        shape_(target.shape()),
        converter_(&target.types(), target.enrollment().naive_zone),
        places_(target),
        misfits_(target),
        slots_(shape_.columns.size(), Slot{0, 0, 0, false, {}}),
        types_(shape_.columns.size(), nullptr) {
    computes_ = std::any_of(
        shape_.columns.begin(), shape_.columns.end(),
        [](const plan::Column& column) { return column.generated == plan::Generated::Computed; });
    expects_keys_ =
        std::any_of(shape_.columns.begin(), shape_.columns.end(), [&](const plan::Column& column) {
          return column.generated == plan::Generated::No && !column.has_default && !column.own &&
                 column.name != target.enrollment().rescue;
        });
  }

  // A row for who wants none; nullptr unless what is computed from other values has to be compared.
  table::Row* Unwanted() { return computes_ ? &unwanted_ : nullptr; }

  void Rescue(bool wanted) { rescues_ = wanted && !target_.enrollment().rescue.empty(); }
  const std::vector<RescuedField>& rescued() const { return rescued_.fields(); }

  void TakesRecords(bool records) { takes_records_ = records; }
  void MayUpdate(bool may) { may_update_ = may; }

  // nullopt or nullptr, with a misfit: there is none, and so no key.
  std::optional<json::Value> FindRecord(const json::Value& payload, std::vector<Misfit>* misfits) {
    std::optional<json::Value> record = RecordIn(target_, payload, takes_records_, misfits);
    number_ += record ? 0 : 1;
    return record;
  }
  const JsonbContainer* FindRecord(const convert::JsonbPart& payload,
                                   std::vector<Misfit>* misfits) {
    const JsonbContainer* record = RecordIn(target_, payload, misfits);
    number_ += record != nullptr ? 0 : 1;
    return record;
  }

  // With values rescued where that is wanted and can be; all misfits otherwise.
  template <class Given>
  void RunRescuing(const Given& payload, table::Row* row, std::vector<Misfit>* misfits) {
    rescued_.ForgetFields();
    if (!rescues_) {
      return RunWhole(payload, row, misfits);
    }
    const size_t before = misfits->size();
    notes_keys_ = target_.enrollment().on_conflict == table::OnConflict::Update;
    rescuing_ = target_.rescue_column() >= 0;
    RunWhole(payload, row, misfits);
    if (misfits->size() == before && rescued_.empty()) {
      rescuing_ = false;
      return NoteKeys(row);
    }
    std::string why = rescuing_ ? "" : "the table has no such column of type jsonb any more";
    const bool rescued = rescuing_ && !rescued_.empty();
    rescuing_ = false;
    if (rescued && misfits->size() == before &&
        (why = IsEnvelope() ? kNoRow : rescued_.AddTo(target_, &converter_, row)).empty()) {
      NoteKeys(row);
      return;
    }
    if (rescued) {
      rescued_.ForgetFields();
      misfits->resize(before);
      row->Clear();
      RunWhole(payload, row, misfits);
    }
    for (size_t i = before; i < misfits->size() && !why.empty(); ++i) {
      (*misfits)[i].message +=
          " (not rescued in column \"" + target_.enrollment().rescue + "\": " + why + ")";
    }
    if (misfits->size() == before) {
      NoteKeys(row);
    }
    notes_keys_ = false;
  }

  void RunRescued(const JsonbContainer* object, table::Row* row,
                  std::vector<Evaluator::Promoted>* fields, std::vector<Misfit>* misfits) {
    row->Clear();
    Begin(nullptr, true, misfits);
    const auto count = static_cast<uint32_t>(JsonContainerSize(object));
    convert::JsonbParts keys(object), values(object, count);
    for (uint32_t i = 0; i < count; ++i) {
      const std::string_view key = keys.Next().text();
      const table::Resolution meant = target_.Resolve(key);
      const size_t known = misfits->size();
      TakeAs(meant, key, values.Next());
      const bool moves = meant.kind == table::Resolution::Kind::Column &&
                         misfits->size() == known &&
                         slots_[static_cast<size_t>(meant.column)].stored == number_;
      fields->push_back({key, moves ? meant.column : -1});
      // Two fields that mean one column: neither is it.
      if (misfits->size() > known && misfits->back().kind == Kind::Ambiguous &&
          meant.kind == table::Resolution::Kind::Column) {
        slots_[static_cast<size_t>(meant.column)].stored = 0;
        for (Evaluator::Promoted& field : *fields) {
          field.column = field.column == meant.column ? -1 : field.column;
        }
      }
    }
    Emit(row);
  }

  // Converts the flagged columns alone, or all; without a row, the values are not wanted.
  void Run(json::Value object, const std::vector<char>* only, table::Row* row,
           std::vector<Misfit>* misfits) {
    Begin(only, row != nullptr, misfits);
    const json::Document* document = object.document();
    const json::Token* tokens = document->tokens().data();
    const uint32_t end = object.token().next;
    uint32_t place = 0;
    places_.BeginTokens();
    for (uint32_t key = object.index() + 1; key < end; key = tokens[key + 1].next) {
      places_.AddToken(key);
      Take(place++, {tokens[key].data, tokens[key].size}, json::Value(document, key + 1));
    }
    places_.EndTokens(place);
    End(row);
  }

  // As Run() of the flagged columns. Most payloads have the keys of the one before, in its order:
  // then it is known which of them are to be looked at.
  void RunAfter(const Work& other, json::Value object, const std::vector<char>& only,
                std::vector<Misfit>* misfits) {
    if (!watched_.KnowsWhatToWatchIn(other.places_)) {
      Run(object, &only, nullptr, misfits);
      watched_.Learn(target_, places_, other.places_, only,
                     KeepsOrder() ? &key_.columns() : nullptr);
      return;
    }
    Begin(&only, false, misfits);
    const json::Document* document = object.document();
    for (const auto& [place, resolution] : watched_.keys()) {
      const json::Token& key = document->tokens()[other.places_.TokenAt(place)];
      TakeAs(resolution, {key.data, key.size},
             json::Value(document, other.places_.TokenAt(place) + 1));
    }
    if (!may_update_ || !watched_.whole_key()) {
      for (int column : watched_.absent()) {
        misfits_.AddMissing(ColumnAt(column).name, column, 0);
      }
    }
  }

  void Run(const JsonbContainer* object, table::Row* row, std::vector<Misfit>* misfits) {
    Begin(nullptr, true, misfits);
    const auto count = static_cast<uint32_t>(JsonContainerSize(object));
    convert::JsonbParts keys(object), values(object, count);
    for (uint32_t place = 0; place < count; ++place) {
      Take(place, keys.Next().text(), values.Next());
    }
    End(row);
  }

  bool KeepsOrder() { return key_.IsKept(target_); }
  std::optional<int64_t> Key() const {
    std::vector<Datum> values;
    for (int column : key_.columns()) {
      const Slot& slot = slots_[static_cast<size_t>(column)];
      if (slot.stored != number_ || slot.null) {
        return std::nullopt;
      }
      values.push_back(slot.value);
    }
    return key_.Hash(values);
  }

  void ForgetMemory() { converter_.ForgetMemory(); }
  size_t capacity() const {
    return converter_.capacity() + unknown_.capacity() + rescued_.capacity();
  }

 private:
  // A key longer than this names no column, and would not fit the indexes of the books.
  static constexpr uint32_t kMaxKeyBytes = 1024;
  static constexpr uint32_t kInterruptEvery = 1024;
  // reserved_name: the payload has a key for the rescue column.
  static constexpr char kReservedName[] = "42939";
  static constexpr char kNoRow[] = "no key of the payload is a column";

  // What a payload has brought for one column.
  struct Slot {
    Datum value;
    uint64_t seen;  // the number of the payload that brought it last
    uint64_t stored;
    bool null;
    std::string_view key;  // as which it came
  };

  // Of what a misfit tells of the value's place in the text: the place in a jsonb has none.
  static uint32_t TokenOf(const json::Value& value) { return value.index(); }
  static uint32_t TokenOf(const convert::JsonbPart&) { return 0; }
  static bool HasManyDigits(const json::Value& value) {
    return value.kind() == json::Kind::Number && base::HasManyDigits(value.text());
  }
  static bool HasManyDigits(const convert::JsonbPart& part) {
    return part.IsNumber() && base::HasManyDigits(convert::TextOf(part));
  }
  static std::string_view LabelOf(const json::Value& value) {
    return value.kind() == json::Kind::String ? value.text() : std::string_view();
  }
  static std::string_view LabelOf(const convert::JsonbPart&) { return {}; }
  void RunWhole(json::Value object, table::Row* row, std::vector<Misfit>* misfits) {
    Run(object, nullptr, row, misfits);
  }
  void RunWhole(const JsonbContainer* object, table::Row* row, std::vector<Misfit>* misfits) {
    Run(object, row, misfits);
  }

  void NoteKeys(table::Row* row) const {
    if (notes_keys_) {
      row->fitting_keys.assign(fitting_keys_.begin(), fitting_keys_.end());
    }
  }

  void Begin(const std::vector<char>* only, bool values, std::vector<Misfit>* misfits) {
    rescued_.Begin();
    fitting_keys_.clear();
    converter_.Want(values);
    misfits_.Begin(misfits);
    only_ = only;
    ++number_;
    meets_column_ = false;
    unknown_.Clear();
    computed_.clear();
  }

  void End(table::Row* row) {
    const bool lacks = std::any_of(target_.required().begin(), target_.required().end(),
                                   [&](int column) { return !IsSeen(column); });
    const bool updates_only = lacks && IsForStoredRow();
    for (int column : target_.required()) {
      if (!updates_only && !IsSeen(column)) {
        misfits_.AddMissing(ColumnAt(column).name, column, 0);
      }
    }
    if (IsEnvelope()) {
      misfits_.MarkEnvelope();
    }
    if (row != nullptr && !misfits_.any()) {
      Emit(row);
      row->updates_only = updates_only;
      if (!computed_.empty()) {
        store::CheckComputed(target_, *row, computed_, misfits_.all());
      }
    }
  }

  // A payload that shares no key with the table is hardly a record with so many new fields.
  bool IsEnvelope() const { return !meets_column_ && unknown_.new_fields() > 0 && expects_keys_; }

  bool IsSeen(int column) const { return slots_[static_cast<size_t>(column)].seen == number_; }

  // Whether the payload may be for a stored row: it says all of its key. What the database computes
  // of other columns is not known then.
  bool IsForStoredRow() {
    return may_update_ && computed_.empty() && KeepsOrder() &&
           std::all_of(key_.columns().begin(), key_.columns().end(),
                       [&](int column) { return IsSeen(column); });
  }

  const plan::Column& ColumnAt(int column) const {
    return shape_.columns[static_cast<size_t>(column)];
  }

  const convert::TypeInfo& TypeOf(int column) {
    const convert::TypeInfo*& known = types_[static_cast<size_t>(column)];
    if (known == nullptr) {
      known = &target_.types().Find(ColumnAt(column).type.oid);
    }
    return *known;
  }

  template <class Given>
  void Take(uint32_t place, std::string_view key, const Given& value) {
    if (place % kInterruptEvery == kInterruptEvery - 1) {
      pg::CheckInterrupts();
    }
    TakeAs(places_.Resolve(place, key), key, value);
  }

  template <class Given>
  void TakeAs(const table::Resolution& resolution, std::string_view key, const Given& value) {
    switch (resolution.kind) {
      case table::Resolution::Kind::Ignored: meets_column_ = true; return;
      case table::Resolution::Kind::Unknown: return TakeUnknown(key, value);
      case table::Resolution::Kind::Ambiguous:
        meets_column_ = true;
        return misfits_.Add(Kind::Ambiguous, Cause::SeveralColumns, key, resolution.column, "42702",
                            "more than one column is equal to field " + convert::Quote(key),
                            TokenOf(value), convert::Quote(ColumnAt(resolution.other).name));
      case table::Resolution::Kind::Rescue:
        return misfits_.Add(
            Kind::Ambiguous, Cause::SeveralColumns, key, resolution.column, kReservedName,
            "field " + convert::Quote(key) + " is called as the rescue column is", TokenOf(value));
      case table::Resolution::Kind::Column: break;
    }
    meets_column_ = true;
    Slot& slot = slots_[static_cast<size_t>(resolution.column)];
    if (slot.seen == number_) {
      return misfits_.Add(Kind::Ambiguous, Cause::SameColumnTwice, key, resolution.column, "42701",
                          "more than one key of the payload means column \"" +
                              ColumnAt(resolution.column).name + "\"",
                          TokenOf(value), convert::Quote(slot.key));
    }
    slot.seen = number_;
    slot.key = key;
    if (only_ == nullptr || (*only_)[static_cast<size_t>(resolution.column)] != 0) {
      converter_.ReadBy(target_.ReadingsOf(resolution));
      TakeValue(key, value, resolution.column, &slot);
    }
  }

  template <class Given>
  void TakeUnknown(std::string_view key, const Given& value) {
    if (!unknown_.Insert(key)) {
      return misfits_.Add(Kind::Ambiguous, Cause::DuplicateKey, key, -1, "22030",
                          "duplicate JSON object key value: " + convert::Quote(key),
                          TokenOf(value));
    }
    if (const std::optional<std::string> other =
            rescuing_ ? std::nullopt : unknown_.SpelledAlike(key)) {
      return misfits_.Add(
          Kind::Ambiguous, Cause::SameColumnTwice, key, -1, "42701",
          "more than one key of the payload means a column \"" + plan::Normalise(key) + "\"",
          TokenOf(value), convert::Quote(*other));
    }
    if (value.IsNothing()) {
      return NoteFitting(key);
    }
    if (key.size() > kMaxKeyBytes) {
      misfits_.Add(Kind::Malformed, Cause::KeyTooLong, "", -1, "54000",
                   "a key of the payload is longer than " + std::to_string(kMaxKeyBytes) + " bytes",
                   TokenOf(value));
    } else if (shape_.max_attnum + unknown_.CountNew() > MaxHeapAttributeNumber) {
      if (shape_.max_attnum + unknown_.new_fields() == MaxHeapAttributeNumber + 1) {
        misfits_.Add(Kind::Malformed, Cause::TooManyFields, "", -1, "54011",
                     "the payload brings more fields than a table can have columns",
                     TokenOf(value));
      }
    } else {
      const Cause cause = base::HasInvisible(key) ? Cause::InvisibleCharacters
                          : HasManyDigits(value)  ? Cause::ManyDigits
                                                  : Cause::NewField;
      if (rescuing_) {
        return rescued_.Keep(key, value, -1, Kind::NewField, cause);
      }
      misfits_.Add(Kind::NewField, cause, key, -1, "42703", unknown_.MessageOf(key, shape_.name),
                   TokenOf(value));
    }
  }

  template <class Given>
  void TakeValue(std::string_view key, const Given& value, int index, Slot* slot) {
    const plan::Column& column = ColumnAt(index);
    if (column.generated == plan::Generated::IdentityAlways) {
      return misfits_.AddComputed(key, index, TokenOf(value));
    }
    // bigint was a guess made of plain integers, and text one made of text: another kind of value
    // makes it guess again.
    if (column.own && column.type.oid == INT8OID && IsNoPlainInteger(value)) {
      return MayRescue(Kind::Lossy, index)
                 ? Rescue(key, value, index, Kind::Lossy, Cause::NotIntegerSoFar, slot)
                 : misfits_.Add(Kind::Lossy, Cause::NotIntegerSoFar, key, index, "22P02",
                                "column \"" + column.name + "\" has only had plain integers so far",
                                TokenOf(value));
    }
    if (column.own && column.type.oid == TEXTOID && IsNoText(value)) {
      return MayRescue(Kind::TypeConflict, index)
                 ? Rescue(key, value, index, Kind::TypeConflict, Cause::NotTextSoFar, slot)
                 : misfits_.Add(Kind::TypeConflict, Cause::NotTextSoFar, key, index, "22P02",
                                "column \"" + column.name + "\" has only had text so far",
                                TokenOf(value));
    }
    if (!converter_.Convert(TypeOf(index), column.type.typmod, value, target_.AcceptsLoss(index),
                            &slot->value, &slot->null)) {
      if (column.generated == plan::Generated::Computed) {
        return misfits_.AddComputed(
            key, index,
            TokenOf(value));  // what does not even convert is unlike what is computed
      }
      const convert::Fault& fault = converter_.fault();
      if (fault.cause == Cause::NotALabel && target_.AwaitsLabel(index, LabelOf(value))) {
        slot->null = true;  // no row is stored by a target that is to be
        slot->stored = number_;
        return;
      }
      if (MayRescue(fault.kind, index)) {
        return Rescue(key, value, index, fault.kind, fault.cause, slot);
      }
      misfits_.Add(fault.kind, fault.cause, key, index, fault.sqlstate, fault.message,
                   TokenOf(value), fault.about);
      misfits_.all()->back().read = fault.read;
      return;
    }
    if (column.generated == plan::Generated::Computed) {
      computed_.push_back({index, std::string(key), slot->value, slot->null, TokenOf(value)});
      return;
    }
    if (slot->null && column.not_null && !shape_.has_before_insert) {
      return misfits_.AddMissing(key, index, TokenOf(value));
    }
    slot->stored = number_;
    NoteFitting(key);
  }

  bool MayRescue(Kind kind, int index) const {
    return rescuing_ && IsRescued(kind) && target_.MayRescue(index);
  }

  // The column is NULL meanwhile.
  template <class Given>
  void Rescue(std::string_view key, const Given& value, int index, Kind kind, Cause cause,
              Slot* slot) {
    slot->null = true;
    slot->stored = number_;
    rescued_.Keep(key, value, index, kind, cause);
  }

  void NoteFitting(std::string_view key) {
    if (notes_keys_) {
      fitting_keys_.push_back(key);
    }
  }

  void Emit(table::Row* row) const {
    row->columns.reserve(slots_.size());
    row->values.reserve(slots_.size());
    row->nulls.reserve(slots_.size());
    row->read = converter_.has_read();
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].stored == number_) {
        row->columns.push_back(static_cast<int>(i));
        row->values.push_back(slots_[i].value);
        row->nulls.push_back(slots_[i].null ? 1 : 0);
      }
    }
  }

  const table::Target& target_;
  const plan::Shape& shape_;
  convert::Converter converter_;
  store::RowKey key_;
  KeyPlaces places_;
  WatchedKeys watched_;
  MisfitWriter misfits_;
  std::vector<Slot> slots_;
  std::vector<const convert::TypeInfo*> types_;  // of the columns, once they were needed
  uint64_t number_ = 0;                          // of the payload
  const std::vector<char>* only_ = nullptr;
  UnknownKeys unknown_;
  bool meets_column_ = false;  // a key of the payload means a column, or is ignored
  // Whether the table has a column that somebody has made, and that nothing but payloads fills.
  bool expects_keys_ = false;
  std::vector<store::Computed> computed_;
  bool computes_ = false;  // whether the target does
  table::Row unwanted_;
  bool takes_records_ = false;
  bool may_update_ = true;
  bool rescues_ = false;   // whether that is wanted
  bool rescuing_ = false;  // whether it is done with the payload at hand
  RescuedValues rescued_;
  bool notes_keys_ = false;
  std::vector<std::string_view> fitting_keys_;
};

}  // namespace mend::ingest
