// One question and its answer, with the retries that it takes.
#pragma once

#include <variant>

#include "core/plan/claude/conversation.h"

namespace mend::plan::claude {

// Why there is no answer.
struct NoAnswer {
  End end = End::Network;
  std::string reason;
  std::optional<int64_t> retry_at_ms;
};

// An answer that cannot be read is a Reply of kind Unknown.
std::variant<Reply, NoAnswer> Exchange(const Settings& settings, const World& world,
                                       const std::string& model, const std::string& body);

// What an HTTP error or a failed transport means. The API's words are left out when they hold the
// credential.
NoAnswer Explain(Provider provider, const ApiError& error, const std::string& model,
                 const Credential& credential);
NoAnswer Explain(const net::Failure& failure);

}  // namespace mend::plan::claude
