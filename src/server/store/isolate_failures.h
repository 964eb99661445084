// Storing good rows whatever their neighbours do.
#pragma once

#include "server/store/store.h"

namespace mend::store {

// What is known of the row that an error is about.
struct Culprit {
  size_t at = 0;      // the row that was being written
  bool exact = true;  // whether the error is certainly its own
};

// The error as it would be raised by a table of PostgreSQL's own.
pg::Error InTermsOfTable(const table::Target& target, const pg::Error& error);

drift::Misfit MisfitOf(const table::Target& target, const pg::Error& error);

// Whether the caller must be told of an error, under the terms of the target.
bool MustRaise(const table::Target& target, const pg::Error& error, bool replay);

// Writes all rows that have no result yet with write(first, end, Culprit*), in order and in as few
// subtransactions as their errors allow, and notes the misfit of each that cannot be written. Where
// the row is known that fails, those before it are written again without it, and the rest follows;
// where it is not, it is found by halving.
template <class Write>
void StoreIsolatingFailures(const table::Target& target, bool replay, Results* results,
                            Write&& write) {
  size_t done = 0, end = results->size();
  while (done < results->size()) {
    Culprit culprit{done, true};
    const std::optional<pg::Error> error = pg::Attempt([&] { write(done, end, &culprit); });
    if (!error) {
      done = end;
      end = results->size();
      continue;
    }
    if (MustRaise(target, *error, replay)) {
      throw InTermsOfTable(target, *error);
    }
    if (!culprit.exact && end - done > 1) {
      end = done + (end - done) / 2;
      continue;
    }
    const size_t at = culprit.exact ? culprit.at : done;
    (*results)[at] = MisfitOf(target, InTermsOfTable(target, *error));
    end = at == done ? results->size() : at + 1;
    done = at == done ? at + 1 : done;
  }
}

}  // namespace mend::store
