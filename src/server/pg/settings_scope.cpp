#include "server/pg/settings_scope.h"

namespace mend::pg {

SettingsScope::SettingsScope(List settings) : nest_level_(NewGUCNestLevel()) {
  for (const auto& [name, value] : settings) {
    Call([&, key = name, text = value] {
      set_config_option(key, text, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    });
  }
}

SettingsScope::~SettingsScope() { AtEOXact_GUC(true, nest_level_); }

}  // namespace mend::pg
