// mend.create_inbox(), and the triggers of the views that it makes.
#include "server/ingest/inbox.h"
#include "core/base/utf8.h"
#include "server/api/arguments.h"
#include "server/api/offered.h"
#include "server/guard/landing_table.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"
#include "server/pg/user.h"
#include "server/table/enrollment.h"

namespace mend::api {
namespace {

constexpr char kSuffix[] = "_inbox";

// So that DROP EXTENSION takes the view away, and not only its triggers.
void DependOnExtension(Oid view) {
  pg::Call([&] {
    ObjectAddress self, extension;
    ObjectAddressSet(self, RelationRelationId, view);
    ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid("pg_mend", false));
    recordDependencyOn(&self, &extension, DEPENDENCY_AUTO);
  });
}

// As the caller, who owns the table and must be allowed to create the view.
Datum CreateInbox(FunctionCallInfo call) {
  const Oid target = TargetArgument(call, 0);
  guard::RequireAdmin();
  table::RequireEnrolled(target);
  guard::RequireOwner(target);
  const std::string table = pg::QualifiedName(target);
  char* schema = pg::Call([&] { return get_namespace_name(get_rel_namespace(target)); });
  char* name = pg::Call([&] { return get_rel_name(target); });
  const std::string view_name =
      std::string(base::CutUtf8(name, NAMEDATALEN - sizeof kSuffix)) + kSuffix;
  const std::string view = pg::QuoteIdentifier(schema) + "." + pg::QuoteIdentifier(view_name);
  pg::Spi spi;
  // Naming the table makes the view depend on it, in a dump too; it never shows a row.
  spi.Execute(("CREATE VIEW " + view + " AS SELECT NULL::pg_catalog.text AS payload FROM ONLY " +
               table + " WHERE false")
                  .c_str());
  for (const char* trigger : {"pg_mend_1_begin BEFORE INSERT ON @ FOR EACH STATEMENT",
                              "pg_mend_2_offer INSTEAD OF INSERT ON @ FOR EACH ROW",
                              "pg_mend_3_end AFTER INSERT ON @ FOR EACH STATEMENT"}) {
    std::string definition(trigger);
    definition.replace(definition.find('@'), 1, view);
    spi.Execute(("CREATE TRIGGER " + definition + " EXECUTE FUNCTION mend.take_inbox()").c_str());
  }
  // The right that counts is the one on the table: the trigger asks for it.
  spi.Execute(("GRANT INSERT ON " + view + " TO PUBLIC").c_str());
  spi.Execute(
      ("COMMENT ON VIEW " + view +
       " IS 'Takes payloads for healing: one JSON object a row, by INSERT or COPY. Shows nothing.'")
          .c_str());
  const Oid oid =
      pg::Call([&] { return get_relname_relid(view_name.c_str(), get_rel_namespace(target)); });
  DependOnExtension(oid);
  pg::RunPrepared(
      "INSERT INTO mend.inboxes (view, target) VALUES ($1, $2) ON CONFLICT (view) DO UPDATE SET "
      "target = excluded.target",
      {pg::ObjectId(oid), pg::ObjectId(target)});
  return ObjectIdGetDatum(oid);
}

// The one table that the view's query names.
Oid TargetOf(Relation view) {
  if (view->rd_rules != nullptr) {
    for (int i = 0; i < view->rd_rules->numLocks; ++i) {
      ListCell* action;
      foreach (action, view->rd_rules->rules[i]->actions) {
        ListCell* entry;
        foreach (entry, static_cast<Query*>(lfirst(action))->rtable) {
          auto* range = static_cast<RangeTblEntry*>(lfirst(entry));
          if (range->rtekind == RTE_RELATION && range->relid != RelationGetRelid(view)) {
            return range->relid;
          }
        }
      }
    }
  }
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("view \"%s\" is no inbox", RelationGetRelationName(view)),
                  errhint("mend.create_inbox(table) makes one.")));
}

struct Payload {
  const char* data = nullptr;
  size_t size = 0;
};

Payload PayloadOf(const TriggerData& trigger) {
  bool null = false;
  TupleDesc row = RelationGetDescr(trigger.tg_relation);
  if (row->natts != 1 || TupleDescAttr(row, 0)->atttypid != TEXTOID) {
    ereport(ERROR,
            (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("an inbox has one column, of type text")));
  }
  const Datum value = heap_getattr(trigger.tg_trigtuple, 1, row, &null);
  if (null) {
    return {"", 0};  // as CSV reads a blank line, and a blank line is no payload
  }
  text* payload = DatumGetTextPP(value);
  return {VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload)};
}

void NoticeCounts(const ingest::Counts& counts) {
  if (counts.queued + counts.dead_lettered + counts.rescued > 0) {
    const std::string rescued =
        counts.rescued > 0 ? " (" + std::to_string(counts.rescued) + " with rescued values)" : "";
    pg::Call([&] {
      ereport(NOTICE, (errmsg("%lld inserted%s, %lld queued, %lld dead-lettered",
                              static_cast<long long>(counts.inserted), rescued.c_str(),
                              static_cast<long long>(counts.queued),
                              static_cast<long long>(counts.dead_lettered))));
    });
  }
}

Datum TakeInbox(FunctionCallInfo call) {
  if (!CALLED_AS_TRIGGER(call)) {
    throw pg::Error(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                    "mend.take_inbox() must be called as trigger");
  }
  const auto& trigger = *reinterpret_cast<TriggerData*>(call->context);
  if (!TRIGGER_FIRED_BY_INSERT(trigger.tg_event)) {
    throw pg::Error(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED, "mend.take_inbox() is for INSERT");
  }
  const Oid view = RelationGetRelid(trigger.tg_relation);
  const Oid target = pg::Call([&] { return TargetOf(trigger.tg_relation); });
  ingest::Counts counts;
  if (TRIGGER_FIRED_FOR_ROW(trigger.tg_event)) {
    const Payload payload = pg::Call([&] { return PayloadOf(trigger); });
    counts = ingest::OfferToInbox(view, target, {payload.data, payload.size});
  } else if (TRIGGER_FIRED_BEFORE(trigger.tg_event)) {
    ingest::BeginInbox(view, target);
  } else {
    counts = ingest::EndInbox(view);
    NoticeCounts(counts);
  }
  if (counts.inserted + counts.queued + counts.dead_lettered > 0) {
    NoteOffered(target, counts);
  }
  return PointerGetDatum(TRIGGER_FIRED_FOR_ROW(trigger.tg_event) ? trigger.tg_trigtuple : nullptr);
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT_DECISION(mend_create_inbox, mend::api::CreateInbox)
MEND_EXPORT(mend_take_inbox, mend::api::TakeInbox)
