#include "server/pg/relation_changes.h"

namespace mend::pg {
namespace {

constexpr int kMostListeners = 8;
void (*listeners[kMostListeners])(Oid);
int listener_count = 0;

void OnChange(Datum, Oid relid) {
  for (int i = 0; i < listener_count; ++i) {
    listeners[i](relid);
  }
}

}  // namespace

void ListenToRelations(void (*listener)(Oid relid)) {
  if (listener_count == kMostListeners) {
    throw Error(ERRCODE_INTERNAL_ERROR, "too many listen to relations");
  }
  if (listener_count == 0) {
    Call([] { CacheRegisterRelcacheCallback(OnChange, 0); });
  }
  listeners[listener_count++] = listener;
}

}  // namespace mend::pg
