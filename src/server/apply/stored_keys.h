// Whether a waiting row could be stored at all, by the keys that are there: looked up before a
// table is rewritten for its sake.
#pragma once

#include <string>
#include <vector>

#include "core/base/json.h"
#include "server/table/target.h"

namespace mend::apply {

class StoredKeys {
 public:
  // `touched`: by index into the columns of the target, those that a patch changes. What their
  // values will be is not known yet.
  StoredKeys(const table::Target& target, const std::vector<char>& touched);
  enum class Verdict : uint8_t {
    Storable,  // as far as can be known
    Taken,     // a row with its key is stored already, and would not be updated
    Unfounded  // a row that it refers to is not there
  };
  // Needs a transaction, and no identity entered.
  Verdict Judge(const json::Value& record) const;

 private:
  struct Part {
    int column;             // of the target, by index
    std::string condition;  // up to the parameter
    std::string type;
  };
  struct Key {
    Oid relation = InvalidOid;  // where to look
    bool must_be_there = false;
    std::vector<Part> parts;
  };

  void Load(const std::vector<char>& touched);

  const table::Target& target_;
  std::vector<Key> keys_;
};

}  // namespace mend::apply
