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

// What the payload has brought for one column.
struct Slot {
  Datum value;
  bool null;
  bool seen;
  bool store;
};

class Evaluation {
 public:
  Evaluation(const Target& target, std::vector<Misfit>* misfits)
      : target_(target),
        misfits_(*misfits),
        converter_(&target.types(), target.enrollment().naive_zone),
        count_(target.shape().columns.size()) {
    slots_ = static_cast<Slot*>(pg::Call([&] { return palloc0(sizeof(Slot) * (count_ + 1)); }));
  }

  void Run(json::Value root, Row* row) {
    const size_t before = misfits_.size();
    uint32_t members = 0;
    for (json::Value key = root.First(); key; key = root.After(key)) {
      if (++members % kInterruptEvery == 0) {
        pg::CheckInterrupts();
      }
      Take(key, root.ValueOf(key));
    }
    for (int column : target_.required()) {
      if (!slots_[column].seen) {
        Missing(ColumnAt(column).name, column, 0);
      }
    }
    if (misfits_.size() == before) {
      Emit(row);
      if (!computed_.empty()) {
        CheckComputed(target_, *row, computed_, &misfits_);
      }
    }
  }

 private:
  const plan::Column& ColumnAt(int column) const { return target_.shape().columns[static_cast<size_t>(column)]; }

  void Take(json::Value key, json::Value value) {
    const Resolution resolution = target_.Resolve(key.text());
    switch (resolution.to) {
      case Resolution::To::Ignored: return;
      case Resolution::To::Unknown: return TakeUnknown(key, value);
      case Resolution::To::Ambiguous:
        return Add(Kind::Ambiguous, key.text(), -1, "42702", "more than one column is equal to field " + Quote(key),
                   value.index());
      case Resolution::To::Column: break;
    }
    Slot& slot = slots_[resolution.column];
    if (slot.seen) {
      return Add(Kind::Ambiguous, key.text(), resolution.column, "42701",
                 "more than one key of the payload means column \"" + ColumnAt(resolution.column).name + "\"",
                 value.index());
    }
    slot.seen = true;
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
    } else if (target_.shape().max_attnum + ++new_fields_ > MaxHeapAttributeNumber) {
      if (target_.shape().max_attnum + new_fields_ == MaxHeapAttributeNumber + 1) {
        Add(Kind::Malformed, "", -1, "54011", "the payload brings more fields than a table can have columns", value.index());
      }
    } else {
      Add(Kind::NewField, key.text(), -1, "42703",
          "column " + Quote(key) + " of relation \"" + target_.shape().name + "\" does not exist", value.index());
    }
  }

  void TakeValue(json::Value key, json::Value value, int index, Slot* slot) {
    const plan::Column& column = ColumnAt(index);
    if (column.generated == plan::Generated::IdentityAlways) {
      return Computes(key, index, value.index());
    }
    if (!converter_.Convert(column.type, value, target_.AcceptsLoss(index), &slot->value, &slot->null)) {
      if (column.generated == plan::Generated::Stored) {
        return Computes(key, index, value.index());  // what does not even convert is unlike what is computed
      }
      const Fault& fault = converter_.fault();
      return Add(fault.kind, key.text(), index, fault.sqlstate, fault.message, value.index());
    }
    if (column.generated == plan::Generated::Stored) {
      computed_.push_back({index, std::string(key.text()), slot->value, slot->null, value.index()});
      return;
    }
    if (slot->null && column.not_null && !target_.shape().has_before_insert) {
      return Missing(key.text(), index, value.index());
    }
    slot->store = true;
  }

  void Computes(json::Value key, int column, uint32_t token) {
    Add(Kind::Generated, key.text(), column, "428C9",
        "cannot insert a non-DEFAULT value into column \"" + ColumnAt(column).name + "\"", token);
  }

  void Missing(std::string_view field, int column, uint32_t token) {
    Add(Kind::MissingRequired, field, column, "23502",
        "null value in column \"" + ColumnAt(column).name + "\" of relation \"" + target_.shape().name +
            "\" violates not-null constraint",
        token);
  }

  void Add(Kind kind, std::string_view field, int column, std::string_view sqlstate, std::string message,
           uint32_t token) {
    Misfit& misfit = misfits_.emplace_back();
    misfit.kind = kind;
    misfit.field = field;
    misfit.column = column >= 0 ? ColumnAt(column).name : std::string();
    misfit.sqlstate = sqlstate;
    misfit.message = std::move(message);
    misfit.token = token;
  }

  void Emit(Row* row) const {
    for (size_t i = 0; i < count_; ++i) {
      if (slots_[i].store) {
        row->columns.push_back(static_cast<int>(i));
        row->values.push_back(slots_[i].value);
        row->nulls.push_back(slots_[i].null);
      }
    }
  }

  const Target& target_;
  std::vector<Misfit>& misfits_;
  Converter converter_;
  size_t count_;
  Slot* slots_;
  std::unordered_set<std::string_view> unknown_;
  int new_fields_ = 0;
  std::vector<Computed> computed_;
};

}  // namespace

void Row::Clear() {
  columns.clear();
  values.clear();
  nulls.clear();
}

void Evaluate(const Target& target, const json::Document& payload, Row* row, std::vector<Misfit>* misfits) {
  row->Clear();
  const json::Value root = payload.root();
  if (!root || root.kind() != json::Kind::Object) {
    Misfit& misfit = misfits->emplace_back();
    misfit.sqlstate = "22023";
    misfit.message = "the payload is not a JSON object";
    return;
  }
  Evaluation(target, misfits).Run(root, row);
}

}  // namespace mend::ingest
