// Asking Claude about the drift of one table, from the question to an answer that can be acted on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/net/transport.h"
#include "server/apply/patches.h"
#include "server/claude/access.h"
#include "server/claude/question.h"

namespace mend::claude {

struct Answer {
  enum class Kind : uint8_t {
    Patch,       // accepted by guard and proof; to be proved once more, and applied
    DeadLetter,  // no patch is to be had
    Wait,        // for `pause_ms`
    Again,       // the question is moot: look at the table anew
  } kind = Kind::Again;
  std::string reason;  // DeadLetter, Wait: for a person; no value, no credential
  bool breaker = false;
  bool busy = false;  // Wait: not because Claude cannot be asked, but because others are asking
  int64_t pause_ms = 0;

  tools::PatchInput patch;  // Patch
  std::string model;
  std::string fingerprint;  // of the question
  drift::DriftSet drift;    // what was asked about
  // What the accepted proposal cost; all 0 when it was remembered.
  std::vector<int64_t> calls;
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;
  int64_t cost = 0;  // nano-dollars

  bool Concerns(const drift::Drift& one) const;
};

// What is known without asking: nullopt means that the question is to be put. Fills `question` as
// far as that takes. Needs a transaction.
std::optional<Answer> Consider(Question* question, const Access& access);

// Puts the question, outside of any transaction; that may take minutes. Writes books in short
// transactions of its own: every call, every refused proposal, what is remembered, what holds.
// `pulse` must heed interrupts, and may throw.
Answer Ask(Question question, const Access& access, const net::Pulse& pulse);

// Fills in what came of an answer once its patch is recorded.
void Credit(const Answer& answer, apply::NewPatch* record);
void BookAnswer(const Answer& answer, int64_t patch_id);

}  // namespace mend::claude
