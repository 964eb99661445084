// Dead letters that a person corrects.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/queue/queue_reader.h"

namespace mend::queue {

struct DeadLetter {
  int64_t id = 0;
  Oid target = InvalidOid;
  std::string target_name;
  size_t bytes = 0;  // of the payload
  bool enrolled = false;
  bool may_release = false;  // whether the caller may have it offered anew
};

// Of these ids, by target and id.
std::vector<DeadLetter> FindDeadLetters(Oid caller, const std::vector<int64_t>& ids);

// The ids of all of a table that have this kind or cause, and this field; nullopt is any.
std::vector<int64_t> DeadLettersOf(Oid target, const std::optional<std::string>& kind,
                                   const std::optional<std::string>& field);

// The rows themselves, in order of id, locked or not. Their texts are in CurrentMemoryContext.
std::vector<QueuedRow> ReadDeadLetters(const std::vector<int64_t>& ids, bool lock);

// The payload as it was offered stays beside the new one, which a person has made: it is overtaken
// by nothing.
void ChangePayload(int64_t id, std::string_view payload, std::optional<int64_t> key);

}  // namespace mend::queue
