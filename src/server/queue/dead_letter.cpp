#include "server/queue/dead_letter.h"

namespace mend::queue {
namespace {

using drift::Kind;
using drift::Misfit;

bool IsFinal(const Misfit& misfit) {
  // The referenced row may arrive late.
  const bool waits = misfit.kind == Kind::Constraint && misfit.sqlstate == "23503";
  return drift::IsFinal(misfit.kind) && !waits;
}

std::string ConstraintReason(const Misfit& misfit) {
  using drift::Cause;
  switch (misfit.cause) {
    case Cause::UniqueViolation:
    case Cause::ExclusionViolation:
    case Cause::CheckViolation:
    case Cause::Policy: return drift::Phrase(misfit.cause, {}, misfit.about);
    case Cause::DomainCheck:
      return misfit.about.empty() ? "a domain refuses the value"
                                  : "constraint " + misfit.about + " of a domain refuses the value";
    default: return "a trigger, a domain or an expression of the table refuses the row";
  }
}

std::string AmbiguousReason(const Misfit& misfit) {
  const std::string column = "column \"" + misfit.column + "\"";
  switch (misfit.cause) {
    case drift::Cause::SameColumnTwice:
      if (misfit.column.empty()) {
        return "keys of the payload are spelled as one name: the other is " + misfit.about;
      }
      return "more than one key of the payload means " + column + ": the other is " + misfit.about;
    case drift::Cause::SeveralColumns:
      return "a key of the payload could mean " + column + " or column " + misfit.about;
    default: return "a key of the payload is there twice";
  }
}

}  // namespace

const Misfit& Culprit(const std::vector<Misfit>& misfits) {
  for (const Misfit& misfit : misfits) {
    if (IsFinal(misfit)) {
      return misfit;
    }
  }
  return misfits.front();
}

bool IsDeadLetter(const std::vector<Misfit>& misfits) { return IsFinal(Culprit(misfits)); }

std::string DeadLetterReason(const std::vector<Misfit>& misfits) {
  const Misfit& misfit = Culprit(misfits);
  const std::string column = "column \"" + misfit.column + "\"";
  switch (misfit.kind) {
    case Kind::Ambiguous:
      return misfit.sqlstate == "42939" ? "a key of the payload is called as the rescue column is"
                                        : AmbiguousReason(misfit);
    case Kind::Generated: return column + " computes its own value, and the payload brings another";
    case Kind::Malformed:
      return misfit.cause == drift::Cause::NoRecord ? drift::Phrase(misfit.cause, {}, misfit.about)
             : misfit.cause == drift::Cause::NotAnObject
                 ? "the payload is not a JSON object; an array of them is for healing_load()"
                 : "the payload is not one JSON object that PostgreSQL can store";
    case Kind::Constraint: return ConstraintReason(misfit);
    case Kind::NewField: return "the field has no column";
    case Kind::NoPartition: return "no partition takes the row";
    case Kind::MissingRequired: return column + " needs a value";
    default: return "the value does not fit " + column;
  }
}

}  // namespace mend::queue
