#include "server/citus/alter.h"

#include <string>

#include "server/pg/spi.h"

namespace mend::citus {

AlteringScope::AlteringScope()
    : settings_({{"citus.enable_ddl_propagation", "on"},
                 {"citus.enable_metadata_sync", "on"},
                 {"citus.propagate_set_commands", "local"}}) {
  const std::string lock_timeout =
      pg::Call([] { return GetConfigOption("lock_timeout", false, false); });
  pg::Spi spi;
  // Citus tells the nodes of what is set in a transaction block or a DO.
  spi.Execute(
      ("DO LANGUAGE plpgsql $do$BEGIN SET LOCAL lock_timeout TO '" + lock_timeout + "'; END$do$")
          .c_str());
}

}  // namespace mend::citus
