#include "server/pg/user.h"

namespace mend::pg {

PinnedSearchPath::PinnedSearchPath(const char* path) : nest_level_(NewGUCNestLevel()) {
  Call([&] {
    set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
  });
}

PinnedSearchPath::~PinnedSearchPath() { AtEOXact_GUC(true, nest_level_); }

}  // namespace mend::pg
