#include "server/ingest/evaluate.h"

#include "server/ingest/payload_evaluation.h"

namespace mend::ingest {

using drift::Misfit;

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
  const std::optional<json::Value> record = work_->FindRecord(payload, misfits);
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
  if (const std::optional<json::Value> record = work_->FindRecord(payload, misfits)) {
    work_->RunAfter(*other.work_, *record, columns, misfits);
  }
}

void Evaluator::Evaluate(const convert::JsonbPart& payload, table::Row* row,
                         std::vector<Misfit>* misfits) {
  row->Clear();
  if (const JsonbContainer* record = work_->FindRecord(payload, misfits)) {
    work_->RunRescuing(record, row, misfits);
  }
}

void Evaluate(const table::Target& target, const json::Document& payload, table::Row* row,
              std::vector<Misfit>* misfits) {
  Evaluator(target).Evaluate(payload.root(), row, misfits);
}

}  // namespace mend::ingest
