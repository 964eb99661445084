#include "server/pg/settings_scope.h"

namespace mend::pg {

SettingsScope::SettingsScope(List settings) : nest_level_(NewGUCNestLevel()) {
  for (const auto& [name, value] : settings) {
    Call([&, key = name, text = value] {
      set_config_option(key, text, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    });
  }
}

// As if rolled back: what somebody's code has set inside, for its session, goes too.
SettingsScope::~SettingsScope() { AtEOXact_GUC(false, nest_level_); }

}  // namespace mend::pg
