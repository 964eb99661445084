#include "server/ingest/misfit_writer.h"

namespace mend::ingest {

using drift::Cause;
using drift::Kind;
using drift::Misfit;

void MisfitWriter::Add(Kind kind, Cause cause, std::string_view field, int column,
                       std::string_view sqlstate, std::string message, uint32_t token,
                       std::string about) {
  Misfit& misfit = misfits_->emplace_back();
  misfit.kind = kind;
  misfit.field = field;
  misfit.column = column >= 0 ? ColumnOf(column).name : std::string();
  misfit.sqlstate = sqlstate;
  misfit.message = std::move(message);
  misfit.token = token;
  misfit.cause = cause;
  misfit.about = std::move(about);
}

void MisfitWriter::AddMissing(std::string_view field, int column, uint32_t token) {
  Add(Kind::MissingRequired, Cause::Absent, field, column, "23502",
      "null value in column \"" + ColumnOf(column).name + "\" of relation \"" +
          target_.shape().name + "\" violates not-null constraint",
      token);
}

void MisfitWriter::AddComputed(std::string_view key, int column, uint32_t token) {
  const bool identity = ColumnOf(column).generated == plan::Generated::IdentityAlways;
  Add(Kind::Generated, identity ? Cause::IdentityAlways : Cause::ComputedOtherwise, key, column,
      "428C9", "cannot insert a non-DEFAULT value into column \"" + ColumnOf(column).name + "\"",
      token);
}

void MisfitWriter::MarkEnvelope() {
  for (size_t i = before_; i < misfits_->size(); ++i) {
    Misfit& misfit = (*misfits_)[i];
    if (misfit.cause == Cause::NewField || misfit.cause == Cause::ManyDigits ||
        misfit.cause == Cause::Absent) {
      misfit.cause = Cause::SharesNoKey;
    }
  }
}

}  // namespace mend::ingest
