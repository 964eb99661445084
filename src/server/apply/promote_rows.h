// The statements that read and change rescued rows of one table, as its owner.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/drift/drift.h"
#include "server/ingest/evaluate.h"
#include "server/pg/user.h"
#include "server/table/target.h"

namespace mend::apply {

// Becomes the owner of a table until the end of the scope, with his search_path: user code of the
// table runs as if he had updated it. Until the commit.
class OwnerIdentity {
 public:
  explicit OwnerIdentity(Oid relid);

 private:
  pg::ForeignCode code_;
};

// A row of a table or partition.
struct RowPlace {
  Oid relation = InvalidOid;
  ItemPointerData place = {};
  bool operator<(const RowPlace& other) const;
};

// What stays in the rescue column and has still to be healed.
struct LeftOver {
  std::string column;
  int64_t rows = 0;
  drift::Profile profile;
  std::vector<std::string> samples;
};
using LeftOvers = std::map<drift::Class, LeftOver>;

struct MoveCounts {
  int64_t rows = 0;     // that were changed
  int64_t found = 0;    // that were to be changed and could be locked
  int64_t refused = 0;  // of these, rows that the table did not let be changed
  std::string refusal;  // why, of the first
};

// In the caller's transaction, in which he has become the owner. Values go to their columns where
// these are empty, and from the rescue column; what does not fit stays. Rows that others have
// locked are passed over. Throws errors that say nothing about a row.
class RescuedRows {
 public:
  explicit RescuedRows(const table::Target& target);

  // Moves what is in some blocks of a table or partition, or in rows of it.
  MoveCounts MoveBlocks(Oid relation, int64_t first, int64_t end);
  MoveCounts MoveRows(Oid relation, const std::vector<ItemPointerData>& places);
  // Reads all of it under one snapshot: the first `limit` rows with something to move, but those of
  // `without`, and what is left over in all that were read.
  void Look(Oid relation, size_t limit, const std::set<RowPlace>& without,
            std::vector<RowPlace>* places, LeftOvers* left_overs, void (*between_batches)());

  // A column to which values that were seen do not move; empty: none.
  const std::string& closed() const { return closed_; }

 private:
  struct Found;
  std::string closed_;
  std::string SelectSql(Oid relation) const;
  MoveCounts Move(Oid relation, const std::string& where, const std::vector<Datum>& values,
                  const std::vector<Oid>& types);
  // What of the object moves: (field, column), and the values by column in row_.
  std::vector<std::pair<std::string, int>> Judge(const Found& found, LeftOvers* left_overs);
  bool Update(Oid relation, const Found& found,
              const std::vector<std::pair<std::string, int>>& moves);
  std::vector<Found> Read(SPITupleTable* table, size_t rows) const;
  // Whether a field of the objects means a column whose state is not read yet; it is from now on.
  bool WatchMore(const std::vector<Found>& rows);

  // Planned once a connection: rows mostly need the same.
  SPIPlanPtr PlanOf(const std::string& sql, const std::vector<Oid>& types);

  const table::Target& target_;
  std::string rescue_;  // quoted
  std::map<std::string, SPIPlanPtr> plans_;
  ingest::Evaluator evaluator_;
  std::vector<int> watched_;                  // columns of which is read whether they are empty
  std::map<std::string, std::string> given_;  // what rows have that are older than a column
  table::Row row_;
};

}  // namespace mend::apply
