#include "server/pg/call.h"

#include <memory>
#include <string>

namespace mend::pg::internal {
namespace {

ErrorFields* InternalError(const char* prefix, const char* what) noexcept {
  try {
    auto fields = std::make_unique<ErrorFields>();
    fields->sqlerrcode = ERRCODE_INTERNAL_ERROR;
    fields->message = std::string(prefix) + what;
    return fields.release();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

}  // namespace

void ThrowTaken(MemoryContext context) { throw Error(TakeError(context)); }

ErrorFields* Describe(const Error& error) noexcept {
  try {
    return new ErrorFields(error.fields());
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

ErrorFields* Describe(const std::exception& error) noexcept {
  return InternalError("pg_mend: unexpected exception: ", error.what());
}

ErrorFields* DescribeUnknown() noexcept {
  return InternalError("pg_mend: unexpected exception of unknown type", "");
}

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

}  // namespace mend::pg::internal
