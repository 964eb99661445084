// What Claude would be asked about a table, as values that outlive the transaction they were read
// in.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/plan/claude/conversation.h"
#include "server/apply/prove.h"
#include "server/table/target.h"

namespace mend::claude {

struct Question {
  Oid target = InvalidOid;
  std::string target_name;
  std::string fingerprint;  // of all that the answer depends on: see Fingerprint()
  plan::Shape shape;        // with type locks
  drift::DriftSet drift;    // what is asked about
  plan::Policy policy;
  plan::Patch provable;  // what rules have for the rest of the drift: proved and applied together
                         // with the answer
  plan::claude::Share share = plan::claude::Share::Shape;
  std::vector<plan::claude::Together> together;
  std::map<std::string, std::vector<std::string>> samples;
  std::vector<plan::claude::Refused> history;
  bool anew = false;  // an answer is remembered that does not do for this table

  // Points into this.
  plan::claude::Case AsCase() const;
};

// Whether drift is asked about: `unplanned` is, and where a required column is missing so are new
// fields, since a rename is only seen whole.
drift::DriftSet DriftToAsk(const drift::DriftSet& all,
                           const std::vector<plan::Unplanned>& unplanned);

// The same for tables whose columns, drift, terms and models are the same, whatever they are
// called: one answer serves them all.
std::string Fingerprint(const Question& question);

// Reads how the table is shared, and fills what only the waiting payloads tell: samples, renames,
// and what was refused before. Needs a transaction.
void ReadShare(Question* question);
void ReadEvidence(Question* question, apply::Evidence evidence);

plan::claude::Settings SettingsFor(const plan::claude::Endpoint& endpoint);

}  // namespace mend::claude
