#include "server/claude/prompts.h"

#include "core/base/json_writer.h"
#include "server/observe/events.h"
#include "server/pg/settings_claude.h"
#include "server/pg/spi.h"

namespace mend::claude {
namespace {

// A request is ASCII but for names of tables and fields, and text of the database's encoding in any
// case.
std::string Record(int64_t call, const PromptSubject& subject, const std::string& model,
                   const plan::claude::Endpoint& endpoint, const std::string& body) {
  const char* share = subject.share == plan::claude::Share::Values ? "values" : "shape";
  return pg::RunPrepared(
             "INSERT INTO mend.prompts (call_id, target_name, provider, host, model, share, bytes, "
             "sha256, body) "
             "VALUES ($1, $2, $3, $4, $5, $6::mend.share, octet_length($7), "
             "encode(sha256(convert_to($7, 'UTF8')), 'hex'), "
             "CASE WHEN $8 THEN $7 END) RETURNING sha256",
             {pg::Int8(call), pg::Text(subject.target_name),
              pg::Text(plan::claude::Name(endpoint.provider)),
              pg::Text(plan::claude::HostOf(endpoint.base)), pg::Text(model), pg::Text(share),
              pg::Text(body), pg::Bool(pg::keep_prompts == pg::kKeepFull)})
      .text(0, 0);
}

}  // namespace

void KeepPrompt(int64_t call, const PromptSubject& subject, const std::string& model,
                const plan::claude::Endpoint& endpoint, const std::string& body) {
  if (pg::keep_prompts == pg::kKeepOff) {
    return;
  }
  const std::string digest = Record(call, subject, model, endpoint, body);
  json::Writer detail;
  detail.Object().Number("call_id", call).String("sha256", digest);
  detail.String("provider", plan::claude::Name(endpoint.provider)).String("model", model).Close();
  observe::Record("prompt_sent", subject.target_name, std::nullopt, detail.Take(),
                  observe::kWorker);
}

}  // namespace mend::claude
