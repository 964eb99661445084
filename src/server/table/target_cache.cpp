// The targets that this session has used, and what drops them.
#include <unordered_map>

#include "server/citus/managed_table.h"
#include "server/pg/catalog.h"
#include "server/pg/relation_changes.h"
#include "server/pg/spi.h"
#include "server/table/shape.h"
#include "server/table/target.h"
#include "server/table/widening.h"

namespace mend::table {
namespace {

struct Entry {
  std::shared_ptr<const Target> target;
  bool fresh = false;
  std::vector<uint32> domains;  // of its columns, as syscache callbacks name them
};

constexpr size_t kMaxTargets = 1000;

using Targets = std::unordered_map<Oid, Entry>;

Targets& Cache() {
  static Targets& cache = *new Targets();
  return cache;
}

// mend.enrollments as it was when a target was last loaded: when it goes, so does every enrolment.
Oid enrollments = InvalidOid;

// Runs inside PostgreSQL's invalidation: marks only, so that nothing is freed and nothing can fail.
void OnRelcacheChange(Oid relid) {
  if (OidIsValid(relid) && relid != enrollments) {
    const auto found = Cache().find(relid);
    if (found != Cache().end()) {
      found->second.fresh = false;
    }
    return;
  }
  for (auto& [oid, entry] : Cache()) {
    entry.fresh = false;
  }
}

uint64_t changes_of_types = 0;

// A domain's default is a column's, and the relcache is not told when it changes.
void OnTypeChange(Datum, int, uint32 hash) {
  ++changes_of_types;
  for (auto& [oid, entry] : Cache()) {
    for (uint32 domain : entry.domains) {
      entry.fresh = entry.fresh && hash != 0 && domain != hash;
    }
  }
}

void ListenOnce() {
  static bool listening = false;
  if (!listening) {
    pg::Call([] { CacheRegisterSyscacheCallback(TYPEOID, OnTypeChange, 0); });
    pg::ListenToRelations(OnRelcacheChange);
    listening = true;
  }
}

std::shared_ptr<const Target> Load(Oid relid) {
  enrollments =
      pg::Call([] { return get_relname_relid("enrollments", get_namespace_oid("mend", true)); });
  std::optional<plan::Shape> shape = LoadShape(relid);
  if (!shape) {
    throw pg::Error(ERRCODE_UNDEFINED_TABLE,
                    "relation with OID " + std::to_string(relid) + " does not exist");
  }
  // A row that has no value for it belongs to no shard.
  if (const int16_t by = citus::FindManagedTable(relid).distribution_column; by != 0) {
    for (plan::Column& column : shape->columns) {
      column.not_null = column.not_null || column.attnum == by;
    }
  }
  std::optional<Enrollment> enrollment = LoadEnrollment(relid);
  if (!enrollment) {
    ThrowNotEnrolled(relid);
  }
  HideSecondColumns(&*shape);
  MarkOwnColumns(&*shape);
  return std::make_shared<const Target>(std::move(*shape), std::move(*enrollment),
                                        LoadFields(relid));
}

std::vector<uint32> DomainsOf(const plan::Shape& shape) {
  std::vector<uint32> domains;
  for (const plan::Column& column : shape.columns) {
    if (pg::Call([&] { return get_typtype(column.type.oid); }) == TYPTYPE_DOMAIN) {
      domains.push_back(pg::Call(
          [&] { return GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(column.type.oid)); }));
    }
  }
  return domains;
}

// AFTER trigger of mend.enrollments and mend.fields: other sessions' targets must go as well.
Datum InvalidateTarget(FunctionCallInfo fcinfo) {
  if (!CALLED_AS_TRIGGER(fcinfo)) {
    throw pg::Error(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                    "mend.invalidate_target() must be called as trigger");
  }
  pg::Call([&] {
    auto* data = reinterpret_cast<TriggerData*>(fcinfo->context);
    const HeapTuple tuples[] = {data->tg_trigtuple, data->tg_newtuple};
    for (HeapTuple tuple : tuples) {
      if (tuple == nullptr) {
        continue;
      }
      bool null = false;
      const int attnum = SPI_fnumber(RelationGetDescr(data->tg_relation), "target");
      const Datum target = heap_getattr(tuple, attnum, RelationGetDescr(data->tg_relation), &null);
      if (!null && SearchSysCacheExists1(RELOID, target)) {
        CacheInvalidateRelcacheByRelid(DatumGetObjectId(target));
      }
    }
  });
  return PointerGetDatum(nullptr);
}

}  // namespace

std::shared_ptr<const Target> FindTarget(Oid relid) {
  ListenOnce();
  if (const auto found = Cache().find(relid);
      found != Cache().end() && found->second.fresh && found->second.target) {
    return found->second.target;
  }
  if (Cache().size() >= kMaxTargets) {
    Cache().clear();
  }
  // Fresh before it is loaded: a change that arrives while loading then marks it stale again.
  Cache()[relid] = {nullptr, true, {}};
  try {
    const uint64_t types_before = changes_of_types;
    std::shared_ptr<const Target> target = Load(relid);
    Entry& entry = Cache()[relid];
    entry.target = target;
    entry.domains = DomainsOf(target->shape());
    entry.fresh = entry.fresh && (entry.domains.empty() || types_before == changes_of_types);
    return target;
  } catch (...) {
    Cache().erase(relid);
    throw;
  }
}

}  // namespace mend::table

MEND_EXPORT(mend_invalidate_target, mend::table::InvalidateTarget)
