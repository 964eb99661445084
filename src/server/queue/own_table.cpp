#include "server/queue/own_table.h"

#include "server/pg/relation_changes.h"
#include "server/pg/user.h"
#include "server/store/direct_writer.h"
#include "server/store/open_relation.h"
#include "server/table/shape.h"

namespace mend::queue {

void OwnTable::OnRelcacheChange(Oid relid) {
  for (int which : {kQueue, kDeadLetters, kRescues}) {
    OwnTable& book = Of(which);
    book.stale_ = book.stale_ || !OidIsValid(relid) || relid == book.relid_;
  }
}

OwnTable& OwnTable::Of(int which) {
  static OwnTable* const books[] = {new OwnTable("queue"), new OwnTable("dead_letters"),
                                    new OwnTable("rescues")};
  return *books[which];
}

bool OwnTable::Load(Relation relation) {
  static bool listening = false;
  if (!listening) {
    pg::ListenToRelations(OnRelcacheChange);
    listening = true;
  }
  if (!stale_ && relid_ == RelationGetRelid(relation) && plan_->IsFresh()) {
    return plan_->usable();
  }
  stale_ = false;  // before it is read: a change that comes meanwhile marks it again
  relid_ = RelationGetRelid(relation);
  table_ = std::make_unique<const table::Target>(*table::LoadShape(relid_), table::Enrollment{},
                                                 std::vector<table::FieldRecord>{});
  plan_ = store::DirectPlan::Make(relation);
  return plan_->usable();
}

int OwnTable::ColumnAt(const char* name) const {
  const std::vector<plan::Column>& columns = table_->shape().columns;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == name) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

bool OwnTable::With(const std::function<void(Relation)>& use) {
  const Oid relid =
      pg::Call([&] { return get_relname_relid(name_, get_namespace_oid("mend", false)); });
  if (!OidIsValid(relid)) {
    return false;
  }
  store::OpenRelation relation(relid);
  if (relation.get() == nullptr || !store::DirectPlan::Allows(relation.get()) ||
      !Load(relation.get())) {
    return false;
  }
  use(relation.get());
  return true;
}

void OwnTable::Write(Relation relation, std::vector<table::Row>* rows) {
  // The sequence's default asks for a right on it. Nothing of the caller's runs: the table is ours,
  // and so are its defaults.
  const pg::OwnerRights as_owner;
  std::vector<store::Verdict> verdicts(rows->size());
  std::unique_ptr<bool[]> skip(new bool[rows->size()]());
  store::DirectJob job;
  job.target = table_.get();
  job.plan = plan_.get();
  job.rows = rows->data();
  job.verdicts = verdicts.data();
  job.skip = skip.get();
  store::WriteDirectly(relation, &job, 0, rows->size());
  for (const store::Verdict& verdict : verdicts) {
    if (verdict.kind != store::Verdict::Kind::None) {
      throw pg::Error(ERRCODE_INTERNAL_ERROR,
                      std::string("mend.") + name_ + " refuses a row: " + verdict.name);
    }
  }
}

}  // namespace mend::queue
