#include "server/apply/speculative_proof.h"

#include <algorithm>
#include <tuple>

#include "server/apply/prover.h"

namespace mend::apply {

SpeculativeProof::SpeculativeProof(std::shared_ptr<const table::Target> target, plan::Patch patch)
    : target_(std::move(target)),
      patch_(std::move(patch)),
      prover_(std::make_unique<Prover>(*target_, patch_)) {}

SpeculativeProof::~SpeculativeProof() = default;

const std::vector<drift::Misfit>& SpeculativeProof::Add(const queue::QueuedRow& row) {
  return prover_->Add(row);
}
const json::Document& SpeculativeProof::payload() const { return prover_->payload(); }
void SpeculativeProof::LeaveIdentity() { prover_->LeaveIdentity(); }

bool SpeculativeProof::IsOf(const table::Target& target, const plan::Patch& patch) const {
  const auto same_action = [](const plan::Action& one, const plan::Action& other) {
    return std::tie(one.kind, one.column, one.type, one.default_literal, one.if_not_exists,
                    one.reading) == std::tie(other.kind, other.column, other.type,
                                             other.default_literal, other.if_not_exists,
                                             other.reading);
  };
  const auto same_mapping = [](const plan::FieldMapping& one, const plan::FieldMapping& other) {
    return std::tie(one.field, one.column) == std::tie(other.field, other.column);
  };
  return &target == target_.get() &&
         std::equal(patch.actions.begin(), patch.actions.end(), patch_.actions.begin(),
                    patch_.actions.end(), same_action) &&
         std::equal(patch.field_map.begin(), patch.field_map.end(), patch_.field_map.begin(),
                    patch_.field_map.end(), same_mapping);
}

std::optional<Proof> SpeculativeProof::Of(const table::Target& target, const plan::Patch& patch) {
  if (prover_ == nullptr || !IsOf(target, patch)) {
    return std::nullopt;
  }
  if (!target.enrollment().rescue.empty()) {
    prover_->AddRescuedSamples();
  }
  Proof proof = prover_->Finish();
  prover_.reset();
  return proof;
}

}  // namespace mend::apply
