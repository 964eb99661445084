// Settings by scope.
#pragma once

#include <initializer_list>
#include <utility>

#include "server/pg/call.h"

namespace mend::pg {

// Gives settings (of the kind that any user may set) other values until the end of the scope.
// Scopes must end in the reverse order of their beginning, and within the transaction.
class SettingsScope {
 public:
  using List = std::initializer_list<std::pair<const char*, const char*>>;
  explicit SettingsScope(List settings);
  ~SettingsScope();
  SettingsScope(const SettingsScope&) = delete;
  SettingsScope& operator=(const SettingsScope&) = delete;

 private:
  int nest_level_;
};

}  // namespace mend::pg
