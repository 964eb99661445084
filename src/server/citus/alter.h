// What an ALTER TABLE of a table that Citus manages needs, so that it reaches the shards or
// nothing.
#pragma once

#include "server/pg/settings_scope.h"

namespace mend::citus {

// Until the end of the scope an ALTER goes to the nodes, whatever the session has set; there it
// waits for no lock longer than the current lock_timeout. Citus forgets what the nodes were told at
// the end of the transaction. Open it as superuser.
class AlteringScope {
 public:
  AlteringScope();

 private:
  pg::SettingsScope settings_;
};

}  // namespace mend::citus
