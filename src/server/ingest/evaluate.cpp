#include "server/ingest/evaluate.h"

#include <algorithm>
#include <unordered_map>

#include "core/base/invisible.h"
#include "core/base/number.h"
#include "core/plan/identifier.h"
#include "server/convert/convert.h"
#include "server/ingest/key_set.h"
#include "server/store/generated.h"
#include "server/store/row_key.h"

namespace mend::ingest {
namespace {

// A key longer than this names no column, and would not fit the indexes of the books.
constexpr uint32_t kMaxKeyBytes = 1024;

using drift::Cause;
using drift::Kind;
using drift::Misfit;

constexpr uint32_t kInterruptEvery = 1024;

// reserved_name: the payload has a key for the rescue column.
constexpr char kReservedName[] = "42939";
// no_sql_json_item: the payload has no record.
constexpr char kNoItem[] = "22035";

constexpr size_t kMaxPlaces = 256;

constexpr size_t kMaxRememberedKeyBytes = 128;

// What a payload has brought for one column.
struct Slot {
  Datum value;
  uint64_t seen;  // the number of the payload that brought it last
  uint64_t stored;
  bool null;
  std::string_view key;  // as which it came
};

// Which key came at a place last time, and what it meant.
struct Place {
  bool known = false;
  std::string key;
  table::Resolution resolution;
};

}  // namespace

class Evaluator::Work {
 public:
  explicit Work(const table::Target& target)
      : target_(target),
        shape_(target.shape()),
        converter_(&target.types(), target.enrollment().naive_zone),
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
  const std::vector<RescuedField>& rescued() const { return rescued_fields_; }

  void TakesRecords(bool records) { takes_records_ = records; }
  void MayUpdate(bool may) { may_update_ = may; }

  void AddTooDeep(std::vector<Misfit>* misfits) {
    AddMalformed(Cause::TooDeep, "54000",
                 "the payload is nested deeper than " + std::to_string(json::kMaxDepth) + " levels",
                 misfits);
  }

  // The record in a payload; nullopt, with a misfit: there is none.
  std::optional<json::Value> RecordIn(const json::Value& payload, std::vector<Misfit>* misfits) {
    if (takes_records_ || target_.enrollment().at.IsWhole()) {
      if (payload && payload.kind() == json::Kind::Object) {
        return payload;
      }
      AddNoObject(misfits);
      return std::nullopt;
    }
    const json::Pointer::Place place =
        payload ? target_.enrollment().at.Find(payload) : json::Pointer::Place();
    if (place.value && place.value.kind() == json::Kind::Object) {
      return place.value;
    }
    AddNoRecord(place.twice, misfits);
    return std::nullopt;
  }
  const JsonbContainer* RecordIn(const convert::JsonbPart& payload, std::vector<Misfit>* misfits) {
    const bool whole = target_.enrollment().at.IsWhole();
    const std::optional<convert::JsonbPart> record =
        whole ? payload : convert::Find(payload, target_.enrollment().at);
    if (record && record->IsContainer() && JsonContainerIsObject(record->container())) {
      return record->container();
    }
    whole ? AddNoObject(misfits) : AddNoRecord(std::nullopt, misfits);
    return nullptr;
  }

  // With values rescued where that is wanted and can be; all misfits otherwise.
  template <class Given>
  void RunRescuing(const Given& payload, table::Row* row, std::vector<Misfit>* misfits) {
    rescued_fields_.clear();
    if (!rescues_) {
      return RunWhole(payload, row, misfits);
    }
    const size_t before = misfits->size();
    notes_keys_ = target_.enrollment().on_conflict == table::OnConflict::Update;
    rescuing_ = target_.rescue_column() >= 0;
    RunWhole(payload, row, misfits);
    if (misfits->size() == before && kept_.empty()) {
      rescuing_ = false;
      return NoteKeys(row);
    }
    std::string why = rescuing_ ? "" : "the table has no such column of type jsonb any more";
    const bool rescued = rescuing_ && !kept_.empty();
    rescuing_ = false;
    if (rescued && misfits->size() == before && (why = AddRescued(row)).empty()) {
      NoteKeys(row);
      return;
    }
    if (rescued) {
      rescued_fields_.clear();
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
    keys_.clear();
    for (uint32_t key = object.index() + 1; key < end; key = tokens[key + 1].next) {
      if (place < kMaxPlaces) {
        keys_.push_back(key);
      }
      Take(place++, {tokens[key].data, tokens[key].size}, json::Value(document, key + 1));
    }
    if (place != count_) {
      count_ = place;
      ++layout_;
    }
    End(row);
  }

  // As Run() of the flagged columns. Most payloads have the keys of the one before, in its order:
  // then it is known which of them are to be looked at.
  void RunAfter(const Work& other, json::Value object, const std::vector<char>& only,
                std::vector<Misfit>* misfits) {
    if (watched_for_ != &other || watched_layout_ != other.layout_) {
      Run(object, &only, nullptr, misfits);
      Watch(other, only);
      return;
    }
    Begin(&only, false, misfits);
    const json::Document* document = object.document();
    for (const auto& [place, resolution] : watched_) {
      const json::Token& key = document->tokens()[other.keys_[place]];
      TakeAs(resolution, {key.data, key.size}, json::Value(document, other.keys_[place] + 1));
    }
    if (!may_update_ || !watched_whole_key_) {
      for (int column : absent_) {
        Missing(ColumnAt(column).name, column, 0);
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
    return converter_.capacity() + unknown_.capacity() + object_.capacity() +
           object_text_.capacity();
  }

 private:
  // Of what a misfit tells of the value's place in the text: the place in a jsonb has none.
  static uint32_t TokenOf(const json::Value& value) { return value.index(); }
  static uint32_t TokenOf(const convert::JsonbPart&) { return 0; }
  static bool IsNumberOrBoolean(const json::Value& value) {
    return value.IsScalar() && value.kind() != json::Kind::String &&
           value.kind() != json::Kind::Null;
  }
  static bool IsNumberOrBoolean(const convert::JsonbPart& value) {
    return !value.IsString() && !value.IsNull() && !value.IsContainer();
  }

  // Of a payload without a row, and so without a key.
  Misfit& AddMalformed(Cause cause, const char* sqlstate, std::string message,
                       std::vector<Misfit>* misfits) {
    ++number_;
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
  void AddNoRecord(const std::optional<std::string_view>& twice, std::vector<Misfit>* misfits) {
    const std::string at = convert::Quote(target_.enrollment().at.text());
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

  // Of numbers and the text of numbers. A jsonb has forgotten an exponent.
  static bool IsWrittenAsFraction(std::string_view text) {
    return text.find_first_of(".eE") != std::string_view::npos && base::IsJsonNumber(text);
  }
  static bool IsWrittenAsFraction(const json::Value& value) {
    return (value.kind() == json::Kind::Number || value.kind() == json::Kind::String) &&
           IsWrittenAsFraction(value.text());
  }
  static bool IsWrittenAsFraction(const convert::JsonbPart& value) {
    if (value.IsString()) {
      return IsWrittenAsFraction(value.text());
    }
    return value.IsNumber() && pg::Call([&] {
             return DatumGetInt32(DirectFunctionCall1(numeric_scale, PointerGetDatum(value.data))) >
                    0;
           });
  }

  // What is kept in the rescue column: the text of a value as it was offered, and where it belongs.
  struct Kept {
    std::string_view key;
    uint32_t token;    // of a payload that came as text
    std::string text;  // of one that came as jsonb
    int column;
    Kind kind;
  };

  void RunWhole(json::Value object, table::Row* row, std::vector<Misfit>* misfits) {
    Run(object, nullptr, row, misfits);
  }
  void RunWhole(const JsonbContainer* object, table::Row* row, std::vector<Misfit>* misfits) {
    Run(object, row, misfits);
  }

  void Keep(std::string_view key, const json::Value& value, int column, Kind kind) {
    kept_.push_back({key, value.index(), {}, column, kind});
    tape_ = value.document();
  }
  void Keep(std::string_view key, const convert::JsonbPart& value, int column, Kind kind) {
    kept_.push_back({key, 0, std::string(convert::TextOf(value)), column, kind});
    tape_ = nullptr;
  }

  static bool IsRescued(Kind kind) {
    return kind == Kind::TypeConflict || kind == Kind::OutOfRange || kind == Kind::TooLong ||
           kind == Kind::Lossy;
  }

  // Puts what was kept into the row. Why it cannot be, or nothing.
  std::string AddRescued(table::Row* row) {
    if (tape_ == nullptr) {
      if (std::string why = MakeTape(); !why.empty()) {
        return why;
      }
    }
    size_t bytes = 0;
    members_.clear();
    for (const Kept& kept : kept_) {
      const json::Token& token = tape_->tokens()[kept.token];
      bytes += kept.key.size() + (token.end - token.begin) +
               (convert::JsonbBytes::Takes(tape_->tokens(), kept.token)
                    ? 0
                    : convert::JsonbBytes::kMaxBytes);
      members_.push_back({kept.key, kept.token});
      rescued_fields_.push_back({kept.key, kept.column, kept.kind, {tape_, kept.token}});
    }
    if (bytes > convert::JsonbBytes::kMaxBytes) {
      return "its values take more than " +
             std::to_string(convert::JsonbBytes::kMaxBytes / 1024 / 1024) + " MB";
    }
    const int column = target_.rescue_column();
    Datum value = 0;
    if (!converter_.ToJsonbObject(*tape_, members_, &value)) {
      return converter_.fault().message;
    }
    const auto at = std::lower_bound(row->columns.begin(), row->columns.end(), column);
    const std::ptrdiff_t offset = at - row->columns.begin();
    row->columns.insert(at, column);
    row->values.insert(row->values.begin() + offset, value);
    row->nulls.insert(row->nulls.begin() + offset, 0);
    return {};
  }

  // Of what came as jsonb. Why there is none, or nothing.
  std::string MakeTape() {
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

  void NoteKeys(table::Row* row) const {
    if (notes_keys_) {
      row->fitting_keys.assign(fitting_keys_.begin(), fitting_keys_.end());
    }
  }

  void Begin(const std::vector<char>* only, bool values, std::vector<Misfit>* misfits) {
    kept_.clear();
    fitting_keys_.clear();
    converter_.Want(values);
    misfits_ = misfits;
    only_ = only;
    before_ = misfits->size();
    ++number_;
    new_fields_ = 0;
    meets_column_ = false;
    unknown_.Clear();
    first_unknown_ = {};
    spelled_.clear();
    computed_.clear();
  }

  // Remembers what had a say in the payload that was just run, which `other` has run before.
  void Watch(const Work& other, const std::vector<char>& only) {
    watched_for_ = nullptr;
    watched_.clear();
    absent_.clear();
    std::vector<char> taken(slots_.size());
    for (uint32_t place = 0; place < count_; ++place) {
      if (place >= places_.size() || !places_[place].known) {
        return;
      }
      const table::Resolution& resolution = places_[place].resolution;
      if (resolution.kind == table::Resolution::Kind::Column) {
        const auto column = static_cast<size_t>(resolution.column);
        if (taken[column] != 0) {
          return;
        }
        taken[column] = 1;
        if (only[column] == 0) {
          continue;
        }
      }
      if (resolution.kind != table::Resolution::Kind::Ignored) {
        watched_.emplace_back(place, resolution);
      }
    }
    for (int column : target_.required()) {
      if (taken[static_cast<size_t>(column)] == 0) {
        absent_.push_back(column);
      }
    }
    watched_whole_key_ =
        KeepsOrder() && std::all_of(key_.columns().begin(), key_.columns().end(),
                                    [&](int column) { return taken[static_cast<size_t>(column)]; });
    watched_for_ = &other;
    watched_layout_ = other.layout_;
  }

  // A payload that shares no key with the table is hardly a record with so many new fields.
  void MarkEnvelope() {
    if (meets_column_ || new_fields_ == 0 || !expects_keys_) {
      return;
    }
    for (size_t i = before_; i < misfits_->size(); ++i) {
      Misfit& misfit = (*misfits_)[i];
      if (misfit.cause == Cause::NewField || misfit.cause == Cause::Absent) {
        misfit.cause = Cause::SharesNoKey;
      }
    }
  }

  void End(table::Row* row) {
    const bool lacks = std::any_of(target_.required().begin(), target_.required().end(),
                                   [&](int column) { return !IsSeen(column); });
    const bool updates_only = lacks && IsForStoredRow();
    for (int column : target_.required()) {
      if (!updates_only && !IsSeen(column)) {
        Missing(ColumnAt(column).name, column, 0);
      }
    }
    MarkEnvelope();
    if (row != nullptr && misfits_->size() == before_) {
      Emit(row);
      row->updates_only = updates_only;
      if (!computed_.empty()) {
        store::CheckComputed(target_, *row, computed_, misfits_);
      }
    }
  }

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

  table::Resolution ResolveAt(uint32_t place, std::string_view key) {
    if (place < places_.size() && places_[place].known && places_[place].key == key) {
      return places_[place].resolution;
    }
    ++layout_;
    const table::Resolution resolution = target_.Resolve(key);
    if (place < kMaxPlaces) {
      if (place >= places_.size()) {
        places_.resize(place + 1);
      }
      const bool fits = key.size() <= kMaxRememberedKeyBytes;
      places_[place] = {fits, fits ? std::string(key) : std::string(), resolution};
    }
    return resolution;
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
    TakeAs(ResolveAt(place, key), key, value);
  }

  template <class Given>
  void TakeAs(const table::Resolution& resolution, std::string_view key, const Given& value) {
    switch (resolution.kind) {
      case table::Resolution::Kind::Ignored: meets_column_ = true; return;
      case table::Resolution::Kind::Unknown: return TakeUnknown(key, value);
      case table::Resolution::Kind::Ambiguous:
        meets_column_ = true;
        return Add(Kind::Ambiguous, Cause::SeveralColumns, key, resolution.column, "42702",
                   "more than one column is equal to field " + convert::Quote(key), TokenOf(value),
                   convert::Quote(ColumnAt(resolution.other).name));
      case table::Resolution::Kind::Rescue:
        return Add(Kind::Ambiguous, Cause::SeveralColumns, key, resolution.column, kReservedName,
                   "field " + convert::Quote(key) + " is called as the rescue column is",
                   TokenOf(value));
      case table::Resolution::Kind::Column: break;
    }
    meets_column_ = true;
    Slot& slot = slots_[static_cast<size_t>(resolution.column)];
    if (slot.seen == number_) {
      return Add(Kind::Ambiguous, Cause::SameColumnTwice, key, resolution.column, "42701",
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

  // Another key of the payload without a column, for which the same column would be added.
  std::optional<std::string> SpelledAlike(std::string_view key) {
    if (first_unknown_.empty()) {
      first_unknown_ = key;
      return std::nullopt;
    }
    if (spelled_.empty()) {
      spelled_.emplace(plan::Normalise(first_unknown_), first_unknown_);
    }
    std::string spelling = plan::Normalise(key);
    if (spelling.find_first_not_of('_') == std::string::npos) {
      return std::nullopt;
    }
    const auto [found, fresh] = spelled_.emplace(std::move(spelling), key);
    return fresh ? std::nullopt : std::optional<std::string>(found->second);
  }

  template <class Given>
  void TakeUnknown(std::string_view key, const Given& value) {
    if (!unknown_.Insert(key)) {
      return Add(Kind::Ambiguous, Cause::DuplicateKey, key, -1, "22030",
                 "duplicate JSON object key value: " + convert::Quote(key), TokenOf(value));
    }
    if (const std::optional<std::string> other = rescuing_ ? std::nullopt : SpelledAlike(key)) {
      return Add(Kind::Ambiguous, Cause::SameColumnTwice, key, -1, "42701",
                 "more than one key of the payload means a column \"" + plan::Normalise(key) + "\"",
                 TokenOf(value), convert::Quote(*other));
    }
    if (value.IsNothing()) {
      return NoteFitting(key);
    }
    if (key.size() > kMaxKeyBytes) {
      Add(Kind::Malformed, Cause::KeyTooLong, "", -1, "54000",
          "a key of the payload is longer than " + std::to_string(kMaxKeyBytes) + " bytes",
          TokenOf(value));
    } else if (shape_.max_attnum + ++new_fields_ > MaxHeapAttributeNumber) {
      if (shape_.max_attnum + new_fields_ == MaxHeapAttributeNumber + 1) {
        Add(Kind::Malformed, Cause::TooManyFields, "", -1, "54011",
            "the payload brings more fields than a table can have columns", TokenOf(value));
      }
    } else if (rescuing_) {
      Keep(key, value, -1, Kind::NewField);
    } else {
      if (key != new_key_ || new_message_.empty()) {
        new_key_ = key;
        new_message_ =
            "column " + convert::Quote(key) + " of relation \"" + shape_.name + "\" does not exist";
      }
      const bool hidden = base::HasInvisible(key);
      Add(Kind::NewField, hidden ? Cause::InvisibleCharacters : Cause::NewField, key, -1, "42703",
          new_message_, TokenOf(value));
    }
  }

  template <class Given>
  void TakeValue(std::string_view key, const Given& value, int index, Slot* slot) {
    const plan::Column& column = ColumnAt(index);
    if (column.generated == plan::Generated::IdentityAlways) {
      return Computes(key, index, TokenOf(value));
    }
    // bigint was a guess made of plain integers, and text one made of text: another kind of value
    // makes it guess again.
    if (column.own && column.type.oid == INT8OID && IsWrittenAsFraction(value)) {
      return Add(Kind::Lossy, Cause::NotIntegerSoFar, key, index, "22P02",
                 "column \"" + column.name + "\" has only had plain integers so far",
                 TokenOf(value));
    }
    if (column.own && column.type.oid == TEXTOID && IsNumberOrBoolean(value)) {
      return Add(Kind::TypeConflict, Cause::NotTextSoFar, key, index, "22P02",
                 "column \"" + column.name + "\" has only had text so far", TokenOf(value));
    }
    if (!converter_.Convert(TypeOf(index), column.type.typmod, value, target_.AcceptsLoss(index),
                            &slot->value, &slot->null)) {
      if (column.generated == plan::Generated::Computed) {
        return Computes(key, index,
                        TokenOf(value));  // what does not even convert is unlike what is computed
      }
      const convert::Fault& fault = converter_.fault();
      if (rescuing_ && IsRescued(fault.kind) && target_.MayRescue(index)) {
        slot->null = true;
        slot->stored = number_;
        return Keep(key, value, index, fault.kind);
      }
      return Add(fault.kind, fault.cause, key, index, fault.sqlstate, fault.message, TokenOf(value),
                 fault.about);
    }
    if (column.generated == plan::Generated::Computed) {
      computed_.push_back({index, std::string(key), slot->value, slot->null, TokenOf(value)});
      return;
    }
    if (slot->null && column.not_null && !shape_.has_before_insert) {
      return Missing(key, index, TokenOf(value));
    }
    slot->stored = number_;
    NoteFitting(key);
  }

  void NoteFitting(std::string_view key) {
    if (notes_keys_) {
      fitting_keys_.push_back(key);
    }
  }

  void Computes(std::string_view key, int column, uint32_t token) {
    const bool identity = ColumnAt(column).generated == plan::Generated::IdentityAlways;
    Add(Kind::Generated, identity ? Cause::IdentityAlways : Cause::ComputedOtherwise, key, column,
        "428C9", "cannot insert a non-DEFAULT value into column \"" + ColumnAt(column).name + "\"",
        token);
  }

  void Missing(std::string_view field, int column, uint32_t token) {
    Add(Kind::MissingRequired, Cause::Absent, field, column, "23502",
        "null value in column \"" + ColumnAt(column).name + "\" of relation \"" + shape_.name +
            "\" violates not-null constraint",
        token);
  }

  void Add(Kind kind, Cause cause, std::string_view field, int column, std::string_view sqlstate,
           std::string message, uint32_t token, std::string about = {}) {
    Misfit& misfit = misfits_->emplace_back();
    misfit.kind = kind;
    misfit.field = field;
    misfit.column = column >= 0 ? ColumnAt(column).name : std::string();
    misfit.sqlstate = sqlstate;
    misfit.message = std::move(message);
    misfit.token = token;
    misfit.cause = cause;
    misfit.about = std::move(about);
  }

  void Emit(table::Row* row) const {
    row->columns.reserve(slots_.size());
    row->values.reserve(slots_.size());
    row->nulls.reserve(slots_.size());
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
  std::vector<Slot> slots_;
  std::vector<const convert::TypeInfo*> types_;  // of the columns, once they were needed
  std::vector<Place> places_;
  std::vector<uint32_t>
      keys_;            // the tokens of the last payload's keys, by place, if it came as text
  uint32_t count_ = 0;  // of its keys
  uint64_t layout_ =
      0;  // another number when the keys are not those of the payload before, in the same order
  // Of RunAfter(): for the keys of which layout of which other it knows what has a say, and what
  // that is.
  const Work* watched_for_ = nullptr;
  uint64_t watched_layout_ = 0;
  std::vector<std::pair<uint32_t, table::Resolution>> watched_;  // by place
  std::vector<int> absent_;         // required columns that no key means
  bool watched_whole_key_ = false;  // whether the keys mean all columns of the primary key
  uint64_t number_ = 0;             // of the payload
  std::vector<Misfit>* misfits_ = nullptr;
  const std::vector<char>* only_ = nullptr;
  size_t before_ = 0;  // misfits when the payload's turn came
  KeySet unknown_;     // its keys that mean no column
  std::string_view first_unknown_;
  std::unordered_map<std::string, std::string_view> spelled_;  // these by their usual spelling
  int new_fields_ = 0;
  bool meets_column_ = false;  // a key of the payload means a column, or is ignored
  // Whether the table has a column that somebody has made, and that nothing but payloads fills.
  bool expects_keys_ = false;
  std::string new_key_, new_message_;  // of the last new field, which mostly comes again
  std::vector<store::Computed> computed_;
  bool computes_ = false;  // whether the target does
  table::Row unwanted_;
  bool takes_records_ = false;
  bool may_update_ = true;
  bool rescues_ = false;   // whether that is wanted
  bool rescuing_ = false;  // whether it is done with the payload at hand
  std::vector<Kept> kept_;
  const json::Document* tape_ = nullptr;  // of the values that are kept
  std::vector<convert::JsonbBytes::NamedValue> members_;
  std::string object_text_;  // of what came as jsonb: the values that are kept
  json::Document object_;
  std::vector<RescuedField> rescued_fields_;
  bool notes_keys_ = false;
  std::vector<std::string_view> fitting_keys_;
};

Evaluator::Evaluator(const table::Target& target) : work_(std::make_unique<Work>(target)) {}
Evaluator::~Evaluator() = default;

bool Evaluator::KeepsOrder() { return work_->KeepsOrder(); }
std::optional<int64_t> Evaluator::Key() const { return work_->Key(); }
void Evaluator::ForgetMemory() { work_->ForgetMemory(); }
size_t Evaluator::capacity() const { return work_->capacity(); }
void Evaluator::MayUpdate(bool may) { work_->MayUpdate(may); }
void Evaluator::TakesRecords(bool records) { work_->TakesRecords(records); }
void Evaluator::Rescue(bool wanted) { work_->Rescue(wanted); }
const std::vector<RescuedField>& Evaluator::rescued() const { return work_->rescued(); }

void Evaluator::EvaluateRescued(const convert::JsonbPart& object, table::Row* row,
                                std::vector<Promoted>* fields, std::vector<Misfit>* misfits) {
  work_->RunRescued(object.container(), row, fields, misfits);
}

void Evaluator::Evaluate(const json::Value& payload, table::Row* row,
                         std::vector<Misfit>* misfits) {
  row = row != nullptr ? row : work_->Unwanted();
  if (row != nullptr) {
    row->Clear();
  }
  const std::optional<json::Value> record = work_->RecordIn(payload, misfits);
  if (!record) {
    return;
  }
  if (row == nullptr || row == work_->Unwanted()) {
    return work_->Run(*record, nullptr, row, misfits);
  }
  work_->RunRescuing(*record, row, misfits);
}

void Evaluator::EvaluateAfter(const Evaluator& other, const json::Value& payload,
                              const std::vector<char>& columns, std::vector<Misfit>* misfits) {
  if (const std::optional<json::Value> record = work_->RecordIn(payload, misfits)) {
    work_->RunAfter(*other.work_, *record, columns, misfits);
  }
}

void Evaluator::Evaluate(const convert::JsonbPart& payload, table::Row* row,
                         std::vector<Misfit>* misfits) {
  row->Clear();
  if (convert::IsDeeperThan(payload, json::kMaxDepth)) {
    return work_->AddTooDeep(misfits);
  }
  if (const JsonbContainer* record = work_->RecordIn(payload, misfits)) {
    work_->RunRescuing(record, row, misfits);
  }
}

void Evaluate(const table::Target& target, const json::Document& payload, table::Row* row,
              std::vector<Misfit>* misfits) {
  Evaluator(target).Evaluate(payload.root(), row, misfits);
}

}  // namespace mend::ingest
