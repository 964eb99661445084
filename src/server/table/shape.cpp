#include "server/table/shape.h"

#include "server/pg/call.h"
#include "server/table/widening.h"

namespace mend::table {
namespace {

// pg_table_size() locks the relation; where somebody rewrites it, its last known size will do.
int64_t SizeOf(Oid relid, int32_t known_pages) {
  return pg::Call([&]() -> int64_t {
    if (!ConditionalLockRelationOid(relid, AccessShareLock)) {
      return static_cast<int64_t>(known_pages) * BLCKSZ;
    }
    int64_t size = 0;
    if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid))) {
      size = DatumGetInt64(OidFunctionCall1(F_PG_TABLE_SIZE, ObjectIdGetDatum(relid)));
    }
    UnlockRelationOid(relid, AccessShareLock);
    return size;
  });
}

struct InsertTriggers {
  bool before_row = false;
  bool statement = false;
};

InsertTriggers InsertTriggersOf(Oid relid) {
  return pg::Call([&] {
    InsertTriggers found;
    Relation triggers = table_open(TriggerRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(relid));
    SysScanDesc scan =
        systable_beginscan(triggers, TriggerRelidNameIndexId, true, nullptr, 1, &key);
    HeapTuple tuple;
    while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
      auto* form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
      if (form->tgenabled == TRIGGER_DISABLED || !TRIGGER_FOR_INSERT(form->tgtype) ||
          IsCopier(form->tgfoid)) {
        continue;
      }
      if (!TRIGGER_FOR_ROW(form->tgtype)) {
        found.statement = true;
      } else if (TRIGGER_FOR_BEFORE(form->tgtype)) {
        found.before_row = true;
      }
    }
    systable_endscan(scan);
    table_close(triggers, AccessShareLock);
    return found;
  });
}

struct Heirs {
  Oid* oids = nullptr;
  int count = 0;
};

// Partitions and inheritance children at every depth, without the relation itself.
Heirs HeirsOf(Oid relid) {
  Heirs heirs;
  pg::Call([&] {
    List* all = find_all_inheritors(relid, NoLock, nullptr);
    heirs.oids = static_cast<Oid*>(palloc(sizeof(Oid) * list_length(all)));
    ListCell* cell;
    foreach (cell, all) {
      if (lfirst_oid(cell) != relid) {
        heirs.oids[heirs.count++] = lfirst_oid(cell);
      }
    }
    list_free(all);
  });
  return heirs;
}

struct RelationFacts {
  bool found = false;
  char relkind = 0;
  bool has_triggers = false;
  bool has_subclass = false;
  int16_t max_attnum = 0;
  int32_t pages = 0;
  Oid schema = InvalidOid;
  NameData name;
};

RelationFacts FactsOf(Oid relid) {
  RelationFacts facts;
  pg::Call([&] {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
    if (!HeapTupleIsValid(tuple)) {
      return;
    }
    auto* form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
    facts.found = true;
    facts.relkind = form->relkind;
    facts.has_triggers = form->relhastriggers;
    facts.has_subclass = form->relhassubclass;
    facts.max_attnum = form->relnatts;
    facts.pages = form->relpages;
    facts.schema = form->relnamespace;
    facts.name = form->relname;
    ReleaseSysCache(tuple);
  });
  return facts;
}

plan::Generated GenerationOf(const FormData_pg_attribute& form) {
  if (form.attgenerated != '\0') {  // stored, or from PostgreSQL 18 on computed when it is read
    return plan::Generated::Computed;
  }
  switch (form.attidentity) {
    case ATTRIBUTE_IDENTITY_ALWAYS: return plan::Generated::IdentityAlways;
    case ATTRIBUTE_IDENTITY_BY_DEFAULT: return plan::Generated::IdentityByDefault;
    default: return plan::Generated::No;
  }
}

// Fills `column`; false for a dropped or missing attribute.
bool LoadColumn(Oid relid, int16_t attnum, plan::Column* column) {
  FormData_pg_attribute form;
  char* type_text = nullptr;
  bool type_has_default = false;
  const bool found = pg::Call([&] {
    HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));
    if (!HeapTupleIsValid(tuple)) {
      return false;
    }
    memcpy(&form, GETSTRUCT(tuple), ATTRIBUTE_FIXED_PART_SIZE);
    ReleaseSysCache(tuple);
    if (form.attisdropped) {
      return false;
    }
    type_text = format_type_with_typemod(form.atttypid, form.atttypmod);
    type_has_default = !form.atthasdef && get_typdefault(form.atttypid) != nullptr;
    return true;
  });
  if (!found) {
    return false;
  }
  column->name = NameStr(form.attname);
  column->attnum = attnum;
  column->type = {form.atttypid, form.atttypmod};
  column->type_text = type_text;
  pfree(type_text);
  column->collation = form.attcollation;
  column->not_null = form.attnotnull;
  column->generated = GenerationOf(form);
  column->has_default =
      (form.atthasdef && column->generated != plan::Generated::Computed) || type_has_default;
  return true;
}

}  // namespace

std::optional<plan::Shape> LoadShape(Oid relid) {
  const RelationFacts facts = FactsOf(relid);
  if (!facts.found) {
    return std::nullopt;
  }
  plan::Shape shape;
  shape.relid = relid;
  shape.relkind = facts.relkind;
  shape.name = NameStr(facts.name);
  if (char* schema = pg::Call([&] { return get_namespace_name(facts.schema); })) {
    shape.schema = schema;
    pfree(schema);
  }
  shape.max_attnum = facts.max_attnum;
  for (int16_t attnum = 1; attnum <= facts.max_attnum; ++attnum) {
    plan::Column column;
    if (LoadColumn(relid, attnum, &column)) {
      shape.columns.push_back(std::move(column));
    }
  }
  if (facts.has_triggers) {
    const InsertTriggers triggers = InsertTriggersOf(relid);
    shape.has_before_insert = triggers.before_row;
    shape.has_statement_trigger = triggers.statement;
  }
  shape.total_bytes = SizeOf(relid, facts.pages);
  if (!facts.has_subclass) {
    return shape;
  }
  const Heirs heirs = HeirsOf(relid);
  for (int i = 0; i < heirs.count; ++i) {
    const RelationFacts heir = FactsOf(heirs.oids[i]);
    shape.total_bytes += SizeOf(heirs.oids[i], heir.pages);
    // A row goes to a partition, whose own triggers may supply what is missing.
    if (facts.relkind == RELKIND_PARTITIONED_TABLE && heir.has_triggers &&
        !shape.has_before_insert) {
      shape.has_before_insert = InsertTriggersOf(heirs.oids[i]).before_row;
    }
  }
  pfree(heirs.oids);
  return shape;
}

}  // namespace mend::table
