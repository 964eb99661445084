#include "server/pg/catalog.h"

namespace mend::pg {
namespace {

// pg_table_size() locks the relation; where somebody rewrites it, its last known size will do.
int64_t SizeOf(Oid relid, int32_t known_pages) {
  return Call([&]() -> int64_t {
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
  return Call([&] {
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
      if (form->tgenabled == TRIGGER_DISABLED || !TRIGGER_FOR_INSERT(form->tgtype)) {
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
  Call([&] {
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
  Call([&] {
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
  const bool found = Call([&] {
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

std::string Taken(char* text) {
  if (text == nullptr) {
    return {};
  }
  std::string copy(text);
  pfree(text);
  return copy;
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
  shape.schema = Taken(Call([&] { return get_namespace_name(facts.schema); }));
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

namespace {

// Names are compared with what was written down before: the session's setting must not quote them
// otherwise.
class PlainQuotes {
 public:
  PlainQuotes() : was_(quote_all_identifiers) { quote_all_identifiers = false; }
  ~PlainQuotes() { quote_all_identifiers = was_; }
  PlainQuotes(const PlainQuotes&) = delete;
  PlainQuotes& operator=(const PlainQuotes&) = delete;

 private:
  bool was_;
};

}  // namespace

std::string QualifiedName(Oid relid) {
  const PlainQuotes plain;
  return Taken(Call([&]() -> char* {
    char* name = get_rel_name(relid);
    char* schema = name != nullptr ? get_namespace_name(get_rel_namespace(relid)) : nullptr;
    return schema != nullptr ? quote_qualified_identifier(schema, name) : nullptr;
  }));
}

std::string QuoteIdentifier(const std::string& name) {
  const PlainQuotes plain;
  const char* quoted = Call([&] { return quote_identifier(name.c_str()); });
  return quoted;
}

std::string RoleName(Oid role) {
  return Taken(Call([&] { return GetUserNameFromId(role, true); }));
}

Oid RoleByName(const std::string& name) {
  return Call([&] { return get_role_oid(name.c_str(), true); });
}

Oid ExtensionOid() {
  return Call([] { return get_extension_oid("pg_mend", true); });
}

}  // namespace mend::pg
