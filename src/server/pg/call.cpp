#include "server/pg/call.h"

namespace mend::pg {
namespace internal {

void ThrowTaken(MemoryContext context) { throw Error(TakeError(context)); }

ErrorFields* Describe(const Error& error) { return new ErrorFields(error.fields()); }

ErrorFields* Describe(const std::exception& error) {
  auto* fields = new ErrorFields();
  fields->sqlerrcode = ERRCODE_INTERNAL_ERROR;
  fields->message = std::string("pg_mend: unexpected exception: ") + error.what();
  return fields;
}

ErrorFields* DescribeUnknown() {
  auto* fields = new ErrorFields();
  fields->sqlerrcode = ERRCODE_INTERNAL_ERROR;
  fields->message = "pg_mend: unexpected exception of unknown type";
  return fields;
}

ErrorFields* DescribeNoMemory() {
  auto* fields = new ErrorFields();
  fields->sqlerrcode = ERRCODE_OUT_OF_MEMORY;
  fields->message = "out of memory";
  return fields;
}

}  // namespace internal

Subtransaction::Subtransaction() : context_(CurrentMemoryContext), owner_(CurrentResourceOwner) {
  Call([&] { BeginInternalSubTransaction(nullptr); });
  MemoryContextSwitchTo(context_);
}

void Subtransaction::Release() {
  Call([&] { ReleaseCurrentSubTransaction(); });
  MemoryContextSwitchTo(context_);
  CurrentResourceOwner = owner_;
}

void Subtransaction::RollBack() {
  Call([&] { RollbackAndReleaseCurrentSubTransaction(); });
  MemoryContextSwitchTo(context_);
  CurrentResourceOwner = owner_;
}

}  // namespace mend::pg
