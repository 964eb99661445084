// Errors that come from Citus and its nodes, told apart and put in the words of the table.
#pragma once

#include <optional>
#include <string>

#include "server/pg/call.h"

namespace mend::citus {

// Whether a node was not to be had, so that the error says nothing about what it was asked.
bool IsNodeFailure(const pg::Error& error);

// Whether the error was a node's, and has lost its code on the way.
bool HasLostItsCode(const pg::Error& error);

// An error for which a node is to blame that was not to be had: what met it waits.
class NodeFailure : public pg::Error {
 public:
  explicit NodeFailure(const pg::Error& error);
};

// Calls work(&on_nodes); where that has become true, an error of a node that was not to be had
// leaves it as a NodeFailure.
template <class F>
auto TellNodeFailures(F&& work) -> decltype(work(static_cast<bool*>(nullptr))) {
  bool on_nodes = false;
  std::optional<pg::Error> failure;
  try {
    return work(&on_nodes);
  } catch (const pg::Error& error) {
    if (!on_nodes || !IsNodeFailure(error)) {
      throw;
    }
    failure = error;
  }
  throw NodeFailure(*failure);
}

// The error as PostgreSQL would raise it for a table of its own: without the numbers of shards in
// its names, and with the fields and the function that tell what refuses the row.
pg::Error InTermsOfTable(Oid relid, const pg::Error& error);

}  // namespace mend::citus
