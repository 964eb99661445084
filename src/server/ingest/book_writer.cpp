#include "server/ingest/book_writer.h"

#include "server/ingest/direct_writer.h"
#include "server/ingest/open_relation.h"
#include "server/pg/catalog.h"
#include "server/pg/user.h"

namespace mend::ingest {

void Book::OnRelcacheChange(Datum, Oid relid) {
  for (int which : {kQueue, kDeadLetters}) {
    Book& book = Of(which);
    book.stale_ = book.stale_ || !OidIsValid(relid) || relid == book.relid_;
  }
}

Book& Book::Of(int which) {
  static Book* const books[] = {new Book("queue"), new Book("dead_letters")};
  return *books[which];
}

bool Book::Load(Relation relation) {
  static bool listening = false;
  if (!listening) {
    pg::Call([] { CacheRegisterRelcacheCallback(OnRelcacheChange, 0); });
    listening = true;
  }
  if (!stale_ && relid_ == RelationGetRelid(relation) && plan_->IsFresh()) {
    return plan_->usable();
  }
  stale_ = false;  // before it is read: a change that comes meanwhile marks it again
  relid_ = RelationGetRelid(relation);
  table_ = std::make_unique<const Target>(*pg::LoadShape(relid_), Enrollment{}, std::vector<FieldRecord>{});
  plan_ = DirectPlan::Make(relation);
  return plan_->usable();
}

int Book::ColumnAt(const char* name) const {
  const std::vector<plan::Column>& columns = table_->shape().columns;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == name) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

bool Book::With(const std::function<void(Relation)>& use) {
  const Oid relid = pg::Call([&] { return get_relname_relid(name_, get_namespace_oid("mend", false)); });
  if (!OidIsValid(relid)) {
    return false;
  }
  OpenRelation relation(relid);
  if (relation.get() == nullptr || !DirectPlan::Allows(relation.get()) || !Load(relation.get())) {
    return false;
  }
  use(relation.get());
  return true;
}

void Book::Write(Relation relation, std::vector<Row>* rows) {
  // The sequence's default asks for a right on it. Nothing of the caller's runs: the table is ours, and so are its defaults.
  pg::AsUser bookkeeper(BOOTSTRAP_SUPERUSERID, SECURITY_LOCAL_USERID_CHANGE);
  std::vector<Verdict> verdicts(rows->size());
  std::unique_ptr<bool[]> skip(new bool[rows->size()]());
  DirectJob job;
  job.target = table_.get();
  job.plan = plan_.get();
  job.rows = rows->data();
  job.verdicts = verdicts.data();
  job.skip = skip.get();
  WriteDirectly(relation, &job, 0, rows->size());
  for (const Verdict& verdict : verdicts) {
    if (verdict.of != Verdict::Of::None) {
      throw pg::Error(ERRCODE_INTERNAL_ERROR, std::string("mend.") + name_ + " refuses a row: " + verdict.name);
    }
  }
}

}  // namespace mend::ingest
