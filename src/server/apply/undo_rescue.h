// Values that a revert has no place for any more go back to the rescue column.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/apply/undo.h"

namespace mend::apply {

// A value as it would be after it was narrowed and widened again. Through text, which every type
// has: a column that was empty may have had any.
std::string ThereAndBack(const std::string& value, const AppliedAction& action);

// Values go back to the rescue column that had none before the patch.
class RescueUndo {
 public:
  RescueUndo(int64_t id, const table::Target& target, std::vector<std::string> fields);
  // All of a column that goes. Nothing where rows are not rescued.
  void PutBackAll(const AppliedAction& action);
  // What does not fit a column's former type; false where that cannot be done.
  bool PutBackUnfit(const AppliedAction& action);

 private:
  std::optional<std::string> FieldOf(const std::string& column) const;
  std::string Rescued(const std::string& field, const std::string& column) const;
  // Triggers that wait for the end of the transaction would keep the table from being altered.
  void Run(const std::string& sql);

  int64_t id_;
  const table::Target& target_;
  std::vector<std::string> fields_;
};

}  // namespace mend::apply
