// mend.preview_prompt.
#include <optional>
#include <string>

#include "server/api/arguments.h"
#include "server/heal/unplanned_drift.h"
#include "server/pg/user.h"

namespace mend::api {
namespace {

Datum PreviewPrompt(FunctionCallInfo call) {
  const std::optional<std::string> prompt = heal::PreviewPrompt(TargetArgument(call, 0));
  if (!prompt) {
    pg::Call([] {
      ereport(
          NOTICE,
          (errmsg("Claude would not be asked about this table"),
           errdetail("There is no drift that is left to it: see mend.drifts and mend.planners.")));
    });
    call->isnull = true;
    return Datum(0);
  }
  const std::string& text = *prompt;
  return pg::Call([&] {
    return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
  });
}

}  // namespace
}  // namespace mend::api

MEND_EXPORT_DECISION(mend_preview_prompt, mend::api::PreviewPrompt)
