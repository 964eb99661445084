#include "core/plan/claude/exchange.h"

namespace mend::plan::claude {
namespace {

bool IsSuccess(const net::Response& response) {
  return response.status >= 200 && response.status < 300;
}

std::string Quoted(const ApiError& error, const Credential& credential) {
  const bool tells =
      !credential.secret.empty() && error.message.find(credential.secret) != std::string::npos;
  if (error.message.empty() || tells) return {};
  return ": " + error.message;
}

Reply ReadReply(const net::Response& response) {
  return ParseReply(response.body).value_or(Reply{});
}

}  // namespace

NoAnswer Explain(const ApiError& error, const std::string& model, const Credential& credential) {
  const std::string words = Quoted(error, credential);
  const std::string status = "HTTP " + std::to_string(error.status);
  if (net::IsSpendLimit(error.code) || error.status == 402) {
    return {End::SpendLimit, "the Anthropic account's spend limit is reached" + words, {}};
  }
  switch (error.status) {
    case 401: return {End::KeyRefused, "the Anthropic API refused the key" + words, {}};
    case 403: return {End::KeyRefused, "the key may not be used for this" + words, {}};
    case 404: return {End::BadRequest, "the API does not know the model " + model + words, {}};
    case 429:
      return {End::RateLimited, "the Anthropic API limits the rate of requests" + words, {}};
    case 529: return {End::Overloaded, "the Anthropic API is overloaded", {}};
    default: break;
  }
  if (error.status >= 500 || error.status == 408 || error.status == 409) {
    return {End::Overloaded, "the Anthropic API has a fault (" + status + ")" + words, {}};
  }
  if (error.status < 400) {
    return {End::BadRequest,
            "the API sends elsewhere (" + status + "); redirects are not followed",
            {}};
  }
  return {End::BadRequest, "the API refused the request (" + status + ")" + words, {}};
}

NoAnswer Explain(const net::Failure& failure) {
  switch (failure.kind) {
    case net::FailureKind::Cancelled: return {End::Cancelled, "cancelled", {}};
    case net::FailureKind::BadUrl:
    case net::FailureKind::PlainHttp:
      return {End::BadRequest, "the API's address cannot be used: " + failure.message, {}};
    case net::FailureKind::TooLarge:
      return {End::Network, "the API's answer is no answer: " + failure.message, {}};
    case net::FailureKind::Tls:
      return {End::Network, "the API's certificate is not trusted: " + failure.message, {}};
    default: return {End::Network, "the API cannot be reached: " + failure.message, {}};
  }
}

std::variant<Reply, NoAnswer> Exchange(const Settings& settings, const World& world,
                                       const std::string& model, const std::string& body) {
  net::Request request = MakeRequest(settings.base, settings.credential, body);
  request.connect_timeout_ms = settings.connect_timeout_ms;
  request.total_timeout_ms = settings.request_timeout_ms;
  for (int retries = 0;; ++retries) {
    if (const std::string why = world.gate(model); !why.empty())
      return NoAnswer{End::Held, why, {}};
    const net::Outcome outcome = world.transport->Send(request, world.pulse);

    Call call;
    call.model = model;
    call.request_bytes = body.size();
    NoAnswer failed;
    net::RetryDecision decision;
    if (const auto* response = std::get_if<net::Response>(&outcome)) {
      call.status = response->status;
      if (IsSuccess(*response)) {
        Reply reply = ReadReply(*response);
        call.usage = reply.usage;
        call.request_id = ParseError(*response).request_id;
        world.record(call);
        return reply;
      }
      const ApiError error = ParseError(*response);
      call.request_id = error.request_id;
      failed = Explain(error, model, settings.credential);
      decision = net::DecideOnResponse(settings.retry, *response, error.code, retries,
                                       world.clock->NowMs(), world.clock->Random());
    } else {
      const auto& failure = std::get<net::Failure>(outcome);
      failed = Explain(failure);
      decision = net::DecideOnFailure(settings.retry, failure, retries, world.clock->Random());
    }
    world.record(call);
    if (!decision.retry) {
      if (decision.asked_ms) failed.retry_at_ms = world.clock->NowMs() + *decision.asked_ms;
      return failed;
    }
    if (!world.clock->Sleep(decision.wait_ms, world.pulse)) {
      return NoAnswer{End::Cancelled, "cancelled", {}};
    }
  }
}

}  // namespace mend::plan::claude
