// Which rows are dead letters at once, and why.
#pragma once

#include <string>
#include <vector>

#include "core/drift/kind.h"

namespace mend::queue {

// Whether a row with these misfits is a dead letter at once: some misfit no DDL can heal.
bool IsDeadLetter(const std::vector<drift::Misfit>& misfits);

// In plain words, why a row with these misfits was not kept in the queue.
std::string DeadLetterReason(const std::vector<drift::Misfit>& misfits);

// The misfit by which a row is known: the first that makes it a dead letter, else the first.
const drift::Misfit& Culprit(const std::vector<drift::Misfit>& misfits);

}  // namespace mend::queue
