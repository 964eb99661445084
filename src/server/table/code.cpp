#include "server/table/code.h"

#include <map>
#include <set>
#include <sstream>
#include <unordered_map>
#include <vector>

#include "core/base/json.h"
#include "core/base/json_writer.h"
#include "server/pg/catalog.h"
#include "server/pg/relation_changes.h"
#include "server/pg/spi.h"

namespace mend::table {
namespace {

constexpr size_t kMaxTables = 1000;
constexpr char kOwner[] = "owner";

// What storing a row runs, and digests of it. Of partitions, what they do not have from the whole:
// a partition made later changes nothing by itself. From there whatever the catalogs know to be
// named, at any depth: functions, operators, domains, and what types are made of. Functions of
// superusers are for no owner of a table to change. The fences (OFFSET 0) keep the planner from
// reading whole catalogs.
constexpr char kCodeOf[] =
    "WITH RECURSIVE family (relid) AS ( "
    "  SELECT $1 UNION "
    "  SELECT i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.relid "
    "  JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relispartition "
    "), part (name, classid, objid, definition) AS ( "
    "  SELECT format('trigger %I of %s', t.tgname, t.tgrelid::regclass), "
    "'pg_trigger'::regclass::oid, "
    "    t.oid, concat_ws(' ', t.tgenabled, pg_get_triggerdef(t.oid)) "
    "  FROM family f CROSS JOIN LATERAL (SELECT t.* FROM pg_trigger t WHERE t.tgrelid = "
    "f.relid "
    "    AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'D' "
    // Ours, of a column that is widened online.
    "    AND NOT EXISTS (SELECT FROM mend.widenings w WHERE w.target = f.relid "
    "      AND w.trigger = t.oid) OFFSET 0) t "
    "  UNION ALL "
    "  SELECT format(CASE a.attgenerated WHEN '' THEN 'default of %I of %s' ELSE "
    "    'expression of %I of %s' END, a.attname, a.attrelid::regclass), 'pg_attrdef'::regclass, "
    "d.oid, "
    "    pg_get_expr(d.adbin, d.adrelid) "
    "  FROM family f CROSS JOIN LATERAL (SELECT d.* FROM pg_attrdef d WHERE d.adrelid = "
    "f.relid "
    "    OFFSET 0) d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum "
    "  WHERE (f.relid = $1 OR a.attgenerated <> '') AND NOT mend.is_plain(d.adbin::text) "
    "  UNION ALL "
    "  SELECT format('sequence %s', q.oid::regclass), 'pg_class'::regclass, q.oid, "
    "    pg_get_userbyid(q.relowner) "
    "  FROM pg_attrdef d CROSS JOIN LATERAL (SELECT q.oid, q.relowner FROM pg_depend u "
    "    JOIN pg_class q ON q.oid = u.refobjid AND q.relkind = 'S' "
    "    WHERE u.classid = 'pg_attrdef'::regclass AND u.objid = d.oid "
    "    AND u.refclassid = 'pg_class'::regclass OFFSET 0) q JOIN pg_class t ON t.oid = d.adrelid "
    "  WHERE d.adrelid = $1 AND q.relowner <> t.relowner "
    "  UNION ALL "
    "  SELECT format('check %I of %s', c.conname, c.conrelid::regclass), "
    "'pg_constraint'::regclass, "
    "    c.oid, pg_get_constraintdef(c.oid) "
    "  FROM family f CROSS JOIN LATERAL (SELECT c.* FROM pg_constraint c "
    "    WHERE c.conrelid = f.relid AND c.contype = 'c' AND (f.relid = $1 OR c.coninhcount = 0) "
    "    OFFSET 0) c "
    "  WHERE NOT mend.is_plain(c.conbin::text) "
    "  UNION ALL "
    "  SELECT format('rule %I of %s', r.rulename, r.ev_class::regclass), 'pg_rewrite'::regclass, "
    "r.oid, "
    "    concat_ws(' ', r.ev_enabled, pg_get_ruledef(r.oid)) "
    "  FROM pg_rewrite r WHERE r.ev_class = $1 AND r.ev_enabled <> 'D' "
    "  UNION ALL "
    "  SELECT format('policy %I of %s', p.polname, p.polrelid::regclass), 'pg_policy'::regclass, "
    "p.oid, "
    "    concat_ws(' ', p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid), "
    "    pg_get_expr(p.polwithcheck, p.polrelid)) "
    "  FROM family f JOIN pg_class c ON c.oid = f.relid AND c.relrowsecurity CROSS JOIN LATERAL ( "
    "    SELECT p.* FROM pg_policy p WHERE p.polrelid = f.relid OFFSET 0) p "
    "  WHERE NOT coalesce(mend.is_plain(p.polqual::text), true) "
    "    OR NOT coalesce(mend.is_plain(p.polwithcheck::text), true) "
    "  UNION ALL "
    "  SELECT format('index %s', i.indexrelid::regclass), 'pg_class'::regclass, i.indexrelid, "
    "    pg_get_indexdef(i.indexrelid) "
    "  FROM family f CROSS JOIN LATERAL (SELECT i.* FROM pg_index i WHERE i.indrelid = f.relid "
    "    AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) OFFSET 0) i "
    "  JOIN pg_class c ON c.oid = i.indexrelid "
    "  WHERE NOT c.relispartition AND (NOT coalesce(mend.is_plain(i.indexprs::text), true) "
    "    OR NOT coalesce(mend.is_plain(i.indpred::text), true)) "
    "  UNION ALL "
    "  SELECT format('partition key of %s', k.partrelid::regclass), 'pg_class'::regclass, "
    "k.partrelid, "
    "    pg_get_partkeydef(k.partrelid) "
    "  FROM family f CROSS JOIN LATERAL (SELECT k.* FROM pg_partitioned_table k "
    "    WHERE k.partrelid = f.relid OFFSET 0) k "
    "  WHERE NOT coalesce(mend.is_plain(k.partexprs::text), true) "
    "), reached (classid, objid) AS ( "
    "  SELECT p.classid, p.objid FROM part p UNION "
    "  SELECT 'pg_class'::regclass, f.relid FROM family f UNION "
    "  SELECT n.classid, n.objid FROM reached r CROSS JOIN LATERAL ( "
    "    SELECT d.refclassid, d.refobjid FROM pg_depend d "
    "    WHERE d.classid = r.classid AND d.objid = r.objid "
    "    AND (d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass) "
    "      OR d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_type'::regclass) "
    "    UNION ALL "
    "    SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint c "
    "    WHERE r.classid = 'pg_type'::regclass AND c.contypid = r.objid "
    "    OFFSET 0) n (classid, objid) "
    "), digested (name, definition, author) AS ( "
    "  SELECT p.name, p.definition, NULL::oid FROM part p "
    "  UNION ALL "
    "  SELECT format('function %s', f.oid::regprocedure), concat_ws(' ', "
    "pg_get_userbyid(f.proowner), "
    "    CASE WHEN f.prokind IN ('f', 'p') THEN pg_get_functiondef(f.oid) END), f.proowner "
    "  FROM reached r CROSS JOIN LATERAL (SELECT f.oid, f.proowner, f.prokind FROM pg_proc f "
    "    WHERE r.classid = 'pg_proc'::regclass AND f.oid = r.objid OFFSET 0) f "
    "  JOIN pg_authid o ON o.oid = f.proowner WHERE NOT o.rolsuper "
    "  UNION ALL "
    "  SELECT format('domain %s', t.oid::regtype), concat_ws(' ', pg_get_userbyid(t.typowner), "
    "    (SELECT string_agg(pg_get_constraintdef(c.oid), ' ' ORDER BY c.conname) FROM "
    "pg_constraint c "
    "    WHERE c.contypid = t.oid)), t.typowner "
    "  FROM reached r CROSS JOIN LATERAL (SELECT t.oid, t.typowner FROM pg_type t "
    "    WHERE r.classid = 'pg_type'::regclass AND t.oid = r.objid AND t.typtype = 'd' OFFSET 0) t "
    ") "
    "SELECT (jsonb_build_object('owner', pg_get_userbyid(c.relowner)) || coalesce( "
    "  (SELECT jsonb_object_agg(d.name, left(encode(sha256(convert_to(d.definition, "
    "  getdatabaseencoding())), 'hex'), 32)) FROM digested d), '{}'))::text, "
    "(SELECT string_agg(DISTINCT d.author::text, ' ') FROM digested d WHERE d.author IS NOT NULL) "
    "FROM pg_class c WHERE c.oid = $1 ";

struct Entry {
  std::string code;
  std::vector<Oid> authors;  // of functions and domains of it that no superuser has made
  std::vector<Oid> family;   // the table and its partitions
  bool has_domains = false;
  bool fresh = false;
};

std::unordered_map<Oid, Entry>& Cache() {
  static auto& cache = *new std::unordered_map<Oid, Entry>();
  return cache;
}

// Run inside PostgreSQL's invalidation: mark only.
void OnRelcacheChange(Oid relid) {
  for (auto& [oid, entry] : Cache()) {
    for (Oid member : entry.family) {
      entry.fresh = entry.fresh && OidIsValid(relid) && member != relid;
    }
  }
}

void OnCatalogChange(Datum, int, uint32) {
  for (auto& [oid, entry] : Cache()) {
    entry.fresh = false;
  }
}

void OnTypeChange(Datum, int, uint32) {
  for (auto& [oid, entry] : Cache()) {
    entry.fresh = entry.fresh && !entry.has_domains;
  }
}

void ListenOnce() {
  static bool listening = false;
  if (!listening) {
    pg::Call([] {
      for (const int cache : {PROCOID, OPEROID, AUTHOID}) {
        CacheRegisterSyscacheCallback(cache, OnCatalogChange, 0);
      }
      for (const int cache : {TYPEOID, CONSTROID}) {
        CacheRegisterSyscacheCallback(cache, OnTypeChange, 0);
      }
    });
    pg::ListenToRelations(OnRelcacheChange);
    listening = true;
  }
}

std::vector<Oid> FamilyOf(Oid target) {
  std::vector<Oid> family = {target};
  if (pg::Call([&] { return get_rel_relkind(target); }) == RELKIND_PARTITIONED_TABLE) {
    const List* members = pg::Call([&] { return find_all_inheritors(target, NoLock, nullptr); });
    for (int i = 1; i < list_length(members); ++i) {
      family.push_back(list_nth_oid(members, i));
    }
  }
  return family;
}

using Parts = std::map<std::string, std::string>;

Parts PartsOf(std::string_view code) {
  json::Document document;
  Parts parts;
  if (document.Parse(code) || document.root().kind() != json::Kind::Object) {
    return parts;
  }
  const json::Value object = document.root();
  for (json::Value key = object.First(); key; key = object.After(key)) {
    parts.emplace(key.text(), object.ValueOf(key).text());
  }
  return parts;
}

// Whose code a role runs knowingly: its own, and that of roles whose rights it has anyway. A
// superuser has everybody's, and trusts superusers alone.
bool Trusts(Oid role, Oid owner) {
  return pg::Call(
      [&] { return superuser_arg(role) ? superuser_arg(owner) : has_privs_of_role(role, owner); });
}

// What our own patches have made of parts of a table's code, in either direction: a patch may be
// taken back.
class OwnChanges {
 public:
  explicit OwnChanges(Oid target) {
    const pg::Rows rows = pg::RunPrepared(
        "SELECT c.key, coalesce(c.value ->> 0, ''), coalesce(c.value ->> 1, '') FROM mend.patches "
        "p, jsonb_each(p.code_change) c WHERE p.target = $1 AND p.code_change IS NOT NULL",
        {pg::ObjectId(target)});
    for (size_t i = 0; i < rows.size(); ++i) {
      steps_.insert({rows.text(i, 0), rows.text(i, 1), rows.text(i, 2)});
      steps_.insert({rows.text(i, 0), rows.text(i, 2), rows.text(i, 1)});
    }
  }

  bool Lead(const std::string& part, const std::string& from, const std::string& to) const {
    std::set<std::string> seen = {from};
    for (std::vector<std::string> todo = {from}; !todo.empty();) {
      const std::string at = todo.back();
      todo.pop_back();
      for (const auto& [name, before, after] : steps_) {
        if (name == part && before == at && seen.insert(after).second) {
          todo.push_back(after);
        }
      }
    }
    return seen.count(to) > 0;
  }

 private:
  std::set<std::tuple<std::string, std::string, std::string>> steps_;
};

// The first few differences, in words. What is gone runs no more.
std::string Difference(Oid target, const Parts& before, const Parts& now) {
  constexpr size_t kMost = 5;
  std::optional<OwnChanges> own;
  std::string text;
  size_t count = 0;
  for (const auto& [name, digest] : now) {
    const auto was = before.find(name);
    const std::string from = was == before.end() ? "" : was->second;
    if (from == digest) {
      continue;
    }
    if (name != kOwner) {
      if (!own) {
        own.emplace(target);
      }
      if (own->Lead(name, from, digest)) {
        continue;
      }
    }
    if (++count > kMost) {
      continue;
    }
    text += text.empty() ? "" : ", ";
    text += name == kOwner ? "it belongs to " + digest + " now, and belonged to " + from
            : from.empty() ? name + " is new"
                           : name + " is another";
  }
  return count > kMost ? text + ", and " + std::to_string(count - kMost) + " more" : text;
}

Oid OwnerOf(Oid target) {
  return pg::Call([&] {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(target));
    if (!HeapTupleIsValid(tuple)) {
      return InvalidOid;
    }
    const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
    ReleaseSysCache(tuple);
    return owner;
  });
}

// Whether a function that an expression calls may look around, or do more than compute.
bool MayDoMore(Oid function) {
  if (function >= FirstNormalObjectId) {
    return true;
  }
  if (func_volatile(function) == PROVOLATILE_IMMUTABLE) {
    return false;
  }
  const char* name = get_func_name(function);
  for (const char* clock :
       {"now", "statement_timestamp", "transaction_timestamp", "clock_timestamp", "timeofday",
        "gen_random_uuid", "uuidv4", "uuidv7", "random", "nextval"}) {
    if (name != nullptr && strcmp(name, clock) == 0) {
      return false;
    }
  }
  return true;
}

bool IsOthers(Oid function, void*) { return function >= FirstNormalObjectId; }

bool FindCode(Node* node, void*);

bool WalkInto(Node* node) {
#if PG_VERSION_NUM >= 160000
  return expression_tree_walker_impl(node, FindCode, nullptr);
#else
  return expression_tree_walker(
      node, reinterpret_cast<bool (*)()>(reinterpret_cast<void*>(FindCode)), nullptr);
#endif
}

// Finds what counts as code: anything but columns, constants, and what PostgreSQL has of operators,
// casts, pure functions, clocks and sequences. For code inside pg::Call.
bool FindCode(Node* node, void*) {
  if (node == nullptr) {
    return false;
  }
  switch (nodeTag(node)) {
    case T_List: return WalkInto(node);
    case T_FuncExpr: {
      const auto* call = reinterpret_cast<const FuncExpr*>(node);
      const bool is_cast =
          call->funcformat == COERCE_EXPLICIT_CAST || call->funcformat == COERCE_IMPLICIT_CAST;
      if (!is_cast && MayDoMore(call->funcid)) {
        return true;
      }
      break;
    }
    case T_Const:
    case T_Var:
    case T_OpExpr:
    case T_DistinctExpr:
    case T_NullIfExpr:
    case T_ScalarArrayOpExpr:
    case T_BoolExpr:
    case T_NullTest:
    case T_BooleanTest:
    case T_RelabelType:
    case T_ArrayExpr:
    case T_CoalesceExpr:
    case T_MinMaxExpr:
    case T_CaseExpr:
    case T_CaseTestExpr:
    case T_CoerceViaIO:
    case T_SQLValueFunction:
    case T_NextValueExpr: break;
    case T_CaseWhen: return WalkInto(node);
    default: return true;
  }
  // A type of somebody's brings code of its own.
  return exprType(node) >= FirstNormalObjectId ||
         check_functions_in_node(node, IsOthers, nullptr) || WalkInto(node);
}

Datum IsPlain(FunctionCallInfo fcinfo) {
  return pg::Call([&] {
    char* expression = text_to_cstring(PG_GETARG_TEXT_PP(0));
    return BoolGetDatum(!FindCode(static_cast<Node*>(stringToNode(expression)), nullptr));
  });
}

Datum CodeOfTable(FunctionCallInfo fcinfo) {
  const std::string& code = CodeOf(PG_GETARG_OID(0));
  return pg::Call([&] { return DirectFunctionCall1(jsonb_in, CStringGetDatum(code.c_str())); });
}

}  // namespace

namespace {

const Entry& EntryOf(Oid target) {
  ListenOnce();
  if (const auto found = Cache().find(target); found != Cache().end() && found->second.fresh) {
    return found->second;
  }
  if (Cache().size() >= kMaxTables) {
    Cache().clear();
  }
  {
    // Fresh before it is read: a change that arrives meanwhile marks it again.
    std::vector<Oid> family = FamilyOf(target);
    Cache()[target] = {"", {}, std::move(family), true, true};
  }
  try {
    const pg::Rows rows = pg::RunPrepared(kCodeOf, {pg::ObjectId(target)});
    Entry& entry = Cache()[target];
    entry.code = rows.empty() ? "{}" : rows.text(0, 0);
    entry.has_domains = entry.code.find("\"domain ") != std::string::npos;
    if (!rows.empty() && !rows.IsNull(0, 1)) {
      std::istringstream authors(rows.text(0, 1));
      for (Oid author = InvalidOid; authors >> author;) {
        entry.authors.push_back(author);
      }
    }
    return entry;
  } catch (...) {
    Cache().erase(target);
    throw;
  }
}

}  // namespace

const std::string& CodeOf(Oid target) { return EntryOf(target).code; }

std::optional<std::string> StrangerIn(Oid target, Oid role) {
  for (const Oid author : EntryOf(target).authors) {
    if (!Trusts(role, author)) {
      return pg::RoleName(author);
    }
  }
  return std::nullopt;
}

Datum CodeAsJsonb(Oid target) {
  static std::string& last_text = *new std::string();
  static Datum last = 0;
  const std::string& code = CodeOf(target);
  if (last == 0 || code != last_text) {
    const Datum made = pg::Call([&] {
      MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
      const Datum parsed = DirectFunctionCall1(jsonb_in, CStringGetDatum(code.c_str()));
      MemoryContextSwitchTo(old);
      return parsed;
    });
    if (last != 0) {
      pfree(DatumGetPointer(last));
    }
    last = made;
    last_text = code;
  }
  return last;
}

std::string WhyNoConsent(Oid target, Oid user, Oid session_user, std::string_view offered_for) {
  const Oid owner = OwnerOf(target);
  if (!OidIsValid(owner)) {
    return "";
  }
  const std::string code = CodeOf(target);
  std::optional<std::string> stranger;
  if (Trusts(user, owner) && Trusts(session_user, owner)) {
    stranger = StrangerIn(target, user);
    if (!stranger) {
      stranger = StrangerIn(target, session_user);
    }
    if (!stranger) {
      return "";
    }
  }
  const bool is_superuser = pg::Call([&] { return superuser_arg(user); });
  if (!is_superuser && (offered_for.empty() || offered_for == code)) {
    return "";
  }
  const Parts now = PartsOf(code);
  if (is_superuser && now.size() > 1) {
    return "a superuser offered it, and the table " +
           (stranger ? "runs code of " + *stranger : "belongs to " + pg::RoleName(owner)) +
           ", whose code is not run as a superuser: offer it anew, as a role with fewer rights";
  }
  if (offered_for.empty()) {
    return "";
  }
  const std::string difference = Difference(target, PartsOf(offered_for), now);
  return difference.empty()
             ? ""
             : "the table runs other code than when the payload was offered: " + difference;
}

std::string ChangeOfCode(std::string_view before, std::string_view after) {
  if (before == after) {
    return "";
  }
  const Parts was = PartsOf(before), now = PartsOf(after);
  json::Writer change;
  change.Object();
  bool any = false;
  for (const auto& [name, digest] : now) {
    const auto old = was.find(name);
    if (name == kOwner || (old != was.end() && old->second == digest)) {
      continue;
    }
    any = true;
    change.Key(name).Array().String(old == was.end() ? "" : old->second).String(digest).Close();
  }
  return any ? change.Close().Take() : "";
}

}  // namespace mend::table

MEND_EXPORT(mend_is_plain, mend::table::IsPlain)
MEND_EXPORT(mend_code_of, mend::table::CodeOfTable)
