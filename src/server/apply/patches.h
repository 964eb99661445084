// mend.patches: what was proposed and what became of it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/drift/drift.h"
#include "core/plan/patch.h"
#include "server/apply/prove.h"
#include "server/table/target.h"

namespace mend::apply {

struct PatchRecord {
  int64_t id = 0;
  std::string planner;
  std::string ddl;  // canonical
  plan::Patch patch;
  bool rewrites = false;
  bool decided = false;  // by a person
  bool online = false;   // what rewrites the table is done in steps (widen.h)
  std::optional<std::string>
      put_back;  // why it waits for a person although it was decided on: it could not be applied
};

// JSON of a field map: {"field": "column", "other": null}; and back. nullopt when it is not such an
// object.
std::string FieldMapToJson(const std::vector<plan::FieldMapping>& field_map);
std::optional<std::vector<plan::FieldMapping>> FieldMapFromJson(const std::string& text);

// What is kept of why a patch was planned against `target`: its actions, the drift it answers to
// and its proof.
std::string EvidenceJson(const plan::Patch& patch, const table::Target& target,
                         const drift::DriftSet& drift, const Proof& proof,
                         const Proof* dead_letters = nullptr);

// Whether applying it rewrites the table.
bool RewritesTable(const plan::Shape& shape, const plan::Patch& patch);

// Records a patch in the given state and returns its id. `proposed_ddl` as it came, `ddl` as
// rendered (empty for a refused one).
struct NewPatch {
  std::string planner;
  std::string proposed_ddl;
  std::string ddl;
  std::string inverse_ddl;
  std::vector<plan::FieldMapping> field_map;
  std::string rationale;
  std::string state;
  std::string reason;
  std::string evidence = "{}";
  std::string fingerprint;
  bool rewrites = false;
  bool online = false;
  std::optional<std::string> proposed_by;  // nullopt: the session's user
  // Of what a model was asked for it; the cost is decimal dollars.
  std::string model;
  int64_t input_tokens = 0;  // cache reads and writes included
  int64_t output_tokens = 0;
  std::string cost_usd = "0";
  // Of a patch that adds labels to an enum; without them both texts say how many there are.
  std::vector<std::string> labels{};
  std::string ddl_without_labels{};
};
// Tells the record which labels its patch adds. They are what payloads bring: those of a table that
// does not share values are kept apart from the texts that agents may read.
void NoteLabels(const plan::Patch& patch, NewPatch* record);
// Whether the patch adds labels to an enum of a table that does not share values.
bool HidesLabels(Oid target, const plan::Patch& patch);
// Why an agent neither proposes nor tries such a patch: the answer would say what payloads bring.
constexpr const char* kOnlyShared =
    "labels of an enum are values of payloads, and the table does not share values";
int64_t InsertPatch(const table::Target& target, const NewPatch& patch);

// Moves a patch to another state; `reason` empty leaves it out.
void SetPatchState(int64_t id, const char* state, const std::string& reason);

// Adds to what a patch has healed and failed to heal.
void CountRows(int64_t id, int64_t healed, int64_t failed);

// The patches of a table in one state, oldest first, read back through the guard: one whose text no
// longer passes (the table or its terms have changed) is set to `failed` with the guard's reason.
std::vector<PatchRecord> LoadPatches(const table::Target& target, const char* state);

// Reads one DDL text and field map back into a patch, with these readings besides; an Error's
// message says what does not pass.
base::Result<plan::Patch> ReadPatch(const table::Target& target, const std::string& ddl,
                                    const std::string& field_map_json,
                                    const std::vector<plan::Action>& readings = {});
// The same where other actions are allowed than by the enrolment.
base::Result<plan::Patch> ReadPatch(const table::Target& target,
                                    const std::set<plan::ActionKind>& allow, const std::string& ddl,
                                    const std::string& field_map_json,
                                    const std::vector<plan::Action>& readings = {});
// [{"field": ..., "column": ..., "reading": ...}]; nullopt when it is not such an array.
std::optional<std::vector<plan::Action>> ReadingsFromJson(const std::string& text);

}  // namespace mend::apply
