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
  bool is_his = false;       // whether he has the rights of those who offered it
  std::string submitted_by;
};

// Of these ids, by target and id.
std::vector<DeadLetter> FindDeadLetters(Oid caller, const std::vector<int64_t>& ids);

// The ids of all of a table that have this kind or cause, and this field; nullopt is any.
std::vector<int64_t> DeadLettersOf(Oid target, const std::optional<std::string>& kind,
                                   const std::optional<std::string>& field);

// The rows themselves, in order of id, locked or not. Their texts are in CurrentMemoryContext.
std::vector<QueuedRow> ReadDeadLetters(const std::vector<int64_t>& ids, bool lock);

// In whose name a payload is offered, to which code, and under which settings of a session.
struct Offer {
  Oid submitter = InvalidOid, session_submitter = InvalidOid;
  std::string submitted_by, session_submitted_by, code;
  std::string session;  // as SessionContext()
};

// The payload as it was offered stays beside the new one, which a person has made: it is overtaken
// by nothing. `offer`: who offers it from now on, with the settings by which dates and numbers were
// written; nullopt: who did.
void ChangePayload(int64_t id, std::string_view payload, std::optional<int64_t> key,
                   const std::optional<Offer>& offer);

// The settings under which an offer of before is read when `session` makes it its own.
std::string ContextOf(std::string_view offered, std::string_view session);

}  // namespace mend::queue
