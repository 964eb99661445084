#include "server/ingest/evaluate.h"

#include <unordered_set>

#include "server/ingest/convert.h"
#include "server/ingest/generated.h"

namespace mend::ingest {
namespace {

// A key longer than this names no column, and would not fit the indexes of the books.
constexpr uint32_t kMaxKeyBytes = 1024;

using drift::Kind;
using drift::Misfit;

constexpr uint32_t kInterruptEvery = 1024;

constexpr size_t kMaxPlaces = 256;
constexpr size_t kMaxRememberedKeyBytes = 128;

// What a payload has brought for one column.
struct Slot {
  Datum value;
  uint64_t seen;    // the number of the payload that brought it last
  uint64_t stored;
  bool null;
};

// Which key came at a place last time, and what it meant.
struct Place {
  bool known = false;
  std::string key;
  Resolution resolution;
};

}  // namespace

class Evaluator::Work {
 public:
  explicit Work(const Target& target)
      : target_(target),
        shape_(target.shape()),
        converter_(&target.types(), target.enrollment().naive_zone),
        slots_(shape_.columns.size(), Slot{0, 0, 0, false}),
        types_(shape_.columns.size(), nullptr) {}

  void Run(json::Value root, Row* row, std::vector<Misfit>* misfits) {
    misfits_ = misfits;
    ++number_;
    new_fields_ = 0;
    if (!unknown_.empty()) {
      unknown_.clear();
    }
    computed_.clear();
    const size_t before = misfits->size();
    const json::Token* tokens = root.document()->tokens().data();
    const uint32_t end = root.token().next;
    uint32_t members = 0;
    for (uint32_t key = root.index() + 1; key < end; key = tokens[key + 1].next) {
      if (++members % kInterruptEvery == 0) {
        pg::CheckInterrupts();
      }
      const std::string_view name(tokens[key].data, tokens[key].size);
      Take(ResolveAt(members - 1, name), json::Value(root.document(), key), json::Value(root.document(), key + 1));
    }
    for (int column : target_.required()) {
      if (slots_[static_cast<size_t>(column)].seen != number_) {
        Missing(ColumnAt(column).name, column, 0);
      }
    }
    if (misfits->size() == before) {
      Emit(row);
      if (!computed_.empty()) {
        CheckComputed(target_, *row, computed_, misfits);
      }
    }
  }

  void ForgetMemory() { converter_.ForgetMemory(); }
  size_t capacity() const { return converter_.capacity() + unknown_.bucket_count() * sizeof(std::string_view); }

 private:
  const plan::Column& ColumnAt(int column) const { return shape_.columns[static_cast<size_t>(column)]; }

  Resolution ResolveAt(uint32_t place, std::string_view key) {
    if (place < places_.size() && places_[place].known && places_[place].key == key) {
      return places_[place].resolution;
    }
    const Resolution resolution = target_.Resolve(key);
    if (place < kMaxPlaces && key.size() <= kMaxRememberedKeyBytes) {
      if (place >= places_.size()) {
        places_.resize(place + 1);
      }
      places_[place] = {true, std::string(key), resolution};
    }
    return resolution;
  }

  const TypeInfo& TypeOf(int column) {
    const TypeInfo*& known = types_[static_cast<size_t>(column)];
    if (known == nullptr) {
      known = &target_.types().Find(ColumnAt(column).type.oid);
    }
    return *known;
  }

  void Take(const Resolution& resolution, json::Value key, json::Value value) {
    switch (resolution.to) {
      case Resolution::To::Ignored: return;
      case Resolution::To::Unknown: return TakeUnknown(key, value);
      case Resolution::To::Ambiguous:
        return Add(Kind::Ambiguous, key.text(), -1, "42702", "more than one column is equal to field " + Quote(key),
                   value.index());
      case Resolution::To::Column: break;
    }
    Slot& slot = slots_[static_cast<size_t>(resolution.column)];
    if (slot.seen == number_) {
      return Add(Kind::Ambiguous, key.text(), resolution.column, "42701",
                 "more than one key of the payload means column \"" + ColumnAt(resolution.column).name + "\"",
                 value.index());
    }
    slot.seen = number_;
    TakeValue(key, value, resolution.column, &slot);
  }

  void TakeUnknown(json::Value key, json::Value value) {
    if (!unknown_.insert(key.text()).second) {
      return Add(Kind::Ambiguous, key.text(), -1, "22030", "duplicate JSON object key value: " + Quote(key),
                 value.index());
    }
    const bool nothing = value.kind() == json::Kind::Null ||
                         (value.kind() == json::Kind::Array && value.token().size == 0);
    if (nothing) {
      return;
    }
    if (key.token().size > kMaxKeyBytes) {
      Add(Kind::Malformed, "", -1, "54000", "a key of the payload is longer than " + std::to_string(kMaxKeyBytes) + " bytes",
          value.index());
    } else if (shape_.max_attnum + ++new_fields_ > MaxHeapAttributeNumber) {
      if (shape_.max_attnum + new_fields_ == MaxHeapAttributeNumber + 1) {
        Add(Kind::Malformed, "", -1, "54011", "the payload brings more fields than a table can have columns", value.index());
      }
    } else {
      Add(Kind::NewField, key.text(), -1, "42703",
          "column " + Quote(key) + " of relation \"" + shape_.name + "\" does not exist", value.index());
    }
  }

  void TakeValue(json::Value key, json::Value value, int index, Slot* slot) {
    const plan::Column& column = ColumnAt(index);
    if (column.generated == plan::Generated::IdentityAlways) {
      return Computes(key, index, value.index());
    }
    if (!converter_.Convert(TypeOf(index), column.type.typmod, value, target_.AcceptsLoss(index), &slot->value, &slot->null)) {
      if (column.generated == plan::Generated::Computed) {
        return Computes(key, index, value.index());  // what does not even convert is unlike what is computed
      }
      const Fault& fault = converter_.fault();
      return Add(fault.kind, key.text(), index, fault.sqlstate, fault.message, value.index());
    }
    if (column.generated == plan::Generated::Computed) {
      computed_.push_back({index, std::string(key.text()), slot->value, slot->null, value.index()});
      return;
    }
    if (slot->null && column.not_null && !shape_.has_before_insert) {
      return Missing(key.text(), index, value.index());
    }
    slot->stored = number_;
  }

  void Computes(json::Value key, int column, uint32_t token) {
    Add(Kind::Generated, key.text(), column, "428C9",
        "cannot insert a non-DEFAULT value into column \"" + ColumnAt(column).name + "\"", token);
  }

  void Missing(std::string_view field, int column, uint32_t token) {
    Add(Kind::MissingRequired, field, column, "23502",
        "null value in column \"" + ColumnAt(column).name + "\" of relation \"" + shape_.name +
            "\" violates not-null constraint",
        token);
  }

  void Add(Kind kind, std::string_view field, int column, std::string_view sqlstate, std::string message,
           uint32_t token) {
    Misfit& misfit = misfits_->emplace_back();
    misfit.kind = kind;
    misfit.field = field;
    misfit.column = column >= 0 ? ColumnAt(column).name : std::string();
    misfit.sqlstate = sqlstate;
    misfit.message = std::move(message);
    misfit.token = token;
  }

  void Emit(Row* row) const {
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

  const Target& target_;
  const plan::Shape& shape_;
  Converter converter_;
  std::vector<Slot> slots_;
  std::vector<const TypeInfo*> types_;  // of the columns, once they were needed
  std::vector<Place> places_;
  uint64_t number_ = 0;  // of the payload
  std::vector<Misfit>* misfits_ = nullptr;
  std::unordered_set<std::string_view> unknown_;
  int new_fields_ = 0;
  std::vector<Computed> computed_;
};

Evaluator::Evaluator(const Target& target) : work_(std::make_unique<Work>(target)) {}
Evaluator::~Evaluator() = default;

void Evaluator::ForgetMemory() { work_->ForgetMemory(); }
size_t Evaluator::capacity() const { return work_->capacity(); }

void Evaluator::Evaluate(const json::Value& payload, Row* row, std::vector<Misfit>* misfits) {
  row->Clear();
  if (!payload || payload.kind() != json::Kind::Object) {
    Misfit& misfit = misfits->emplace_back();
    misfit.sqlstate = "22023";
    misfit.message = "the payload is not a JSON object";
    return;
  }
  work_->Run(payload, row, misfits);
}

void Row::Clear() {
  columns.clear();
  values.clear();
  nulls.clear();
}

void Evaluate(const Target& target, const json::Document& payload, Row* row, std::vector<Misfit>* misfits) {
  Evaluator(target).Evaluate(payload.root(), row, misfits);
}

}  // namespace mend::ingest
