// mend.plans: what was answered to which question, and who asks now.
//
//   (none) --Claim--> asking --Remember...--> accepted | refused --forgotten or deleted--> (none)
//     ^                  |
//     +---- Release -----+      a claim whose worker no longer heals its table is nobody's
#pragma once

#include <optional>
#include <string>

#include "core/plan/claude/conversation.h"
#include "server/pg/call.h"

namespace mend::claude {

struct Remembered {
  bool accepted = false;
  std::string model;
  tools::PatchInput patch;          // accepted: for the table it is looked up for
  std::string reason;               // refused
  std::optional<int64_t> patch_id;  // where it came from
};

// What is remembered of a question; `table` is the qualified name that a patch is made out for.
// Needs a transaction.
std::optional<Remembered> Recall(const std::string& fingerprint, const std::string& table);

// Makes this worker the one that asks, for `target`, until it remembers an answer or releases the
// question. Needs a short transaction of its own: claims take turns.
struct Claimed {
  enum class Kind : uint8_t {
    Mine,
    // Another worker asks it now, or too many ask as it is (one worker stays free for what needs no
    // model): this table is due again as soon as `waits_for` is answered, and should look again in
    // kLookAgainMs at the latest.
    Waits,
    Known,  // it was answered meanwhile
  } kind = Kind::Mine;
  std::string waits_for;
};
// `anew`: what is remembered is of no use for this table.
Claimed Claim(const std::string& fingerprint, Oid target, bool anew);
inline constexpr int64_t kLookAgainMs = 30'000;

// Needs a transaction. `ddl`: as rendered for the table called `table`.
void RememberPatch(const std::string& fingerprint, const plan::claude::Result& result,
                   const std::string& ddl, const std::string& table, const std::string& field_map);
void RememberRefusal(const std::string& fingerprint, const plan::claude::Result& result);
void Release(const std::string& fingerprint);

// Has the tables looked at that wait for this question. In a transaction of its own, after that of
// the above: the two lock in different orders.
void WakeWaiting(const std::string& fingerprint);

}  // namespace mend::claude
