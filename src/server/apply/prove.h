// Step 1 of applying: conversion of the waiting rows in memory, without a lock.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/drift/drift.h"
#include "core/plan/patch.h"
#include "server/queue/queue_reader.h"
#include "server/table/target.h"

namespace mend::apply {

// A row to replay under the lock, and the actions without which it does not fit.
struct SampleRow {
  int64_t id = 0;
  std::vector<bool> needs;  // by index into patch.actions
};

struct Proof {
  std::string shape;   // fingerprint of the table's shape that it holds for
  int64_t tried = 0;   // rows that do not fit the table as it is
  int64_t healed = 0;  // of these, rows that fit the patched shape
  // Of a patch that rewrites the table, rows that would fit but for a key: one that is stored
  // already, or one that they refer to and that is not there.
  int64_t taken = 0, unfounded = 0;
  // Why the others do not: the classes of their values, with how many rows; of the first
  // kMaxRemains.
  std::map<drift::Class, int64_t> remains;
  static constexpr size_t kMaxRemains = 20;
  std::set<std::string> unfit;             // new columns that do not take some value
  std::vector<bool> action_helps;          // by index into patch.actions
  std::vector<bool> mapping_helps;         // by index into patch.field_map
  std::vector<bool> action_helps_rescued;  // the actions that make rescued values fit
  // The actions and mappings by which a row that still does not fit has less in its way.
  std::vector<bool> action_relieves;
  std::vector<bool> mapping_relieves;
  // Rows to replay under the lock: of one submitter, at most 64, covering as many actions as rows
  // of one submitter can.
  std::vector<SampleRow> sample;
  // Rows of other submitters, for when none of those can be stored.
  std::vector<std::vector<SampleRow>> others;
  // Whose rows were healed; nullopt: several roles', or nobody's.
  std::optional<Oid> submitter;
  bool Helps() const;
  bool Relieves() const;
};

// Which payloads a proof looks at.
enum class Evidence : uint8_t {
  Queue,        // queued rows, and samples of rescued values
  DeadLetters,  // dead letters whose kind DDL can heal
};

// Converts every row of the evidence against the target as `patch` would make it. `healed_ids`,
// when given, receives the ids of healed rows. Runs each row's conversion as its submitter, in a
// security-restricted operation: domains bring user code. `before_batch`: as QueueReader has it.
Proof Prove(const table::Target& target, const plan::Patch& patch, Evidence evidence,
            std::vector<int64_t>* healed_ids = nullptr,
            const queue::BeforeBatch& before_batch = nullptr);

// The patch without the actions and mappings that help no row, and, when `sampled`, also without
// the actions that no row of the sample shows.
plan::Patch Helpful(const plan::Patch& patch, const Proof& proof, bool sampled);

// Whether the patch answers to this drift: it adds, changes or maps to what the drift concerns.
bool Covers(const plan::Patch& patch, const table::Target& patched, const drift::Drift& drift);

}  // namespace mend::apply
