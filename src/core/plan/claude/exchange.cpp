#include "core/plan/claude/exchange.h"

namespace mend::plan::claude {
namespace {

bool IsSuccess(const net::Response& response) {
  return response.status >= 200 && response.status < 300;
}

// What the API says of it, unless that holds a part of the credential.
std::string Quoted(const ApiError& error, const Credential& credential) {
  const auto tells = [&error](const std::string& part) {
    return !part.empty() && error.message.find(part) != std::string::npos;
  };
  if (error.message.empty() || tells(credential.secret) || tells(credential.access_key) ||
      tells(credential.session_token)) {
    return {};
  }
  return ": " + error.message;
}

Reply ReadReply(const net::Response& response) {
  return ParseReply(response.body).value_or(Reply{});
}

// Whether another credential may help: what was sent is not, or no longer, known.
bool IsUnknownCredential(const ApiError& error) {
  return error.status == 401 ||
         (error.status == 403 &&
          (error.type == "ExpiredTokenException" || error.type == "UnrecognizedClientException" ||
           error.type == "InvalidSignatureException"));
}

bool Same(const Credential& a, const Credential& b) {
  return a.kind == b.kind && a.secret == b.secret && a.access_key == b.access_key &&
         a.session_token == b.session_token;
}

}  // namespace

NoAnswer Explain(Provider provider, const ApiError& error, const std::string& model,
                 const Credential& credential) {
  const std::string words = Quoted(error, credential);
  const std::string status = "HTTP " + std::to_string(error.status);
  const std::string title(Title(provider));
  if (net::IsSpendLimit(error.code) || error.status == 402) {
    return {End::SpendLimit, "the spend limit of the account is reached" + words, {}};
  }
  if (IsUnknownCredential(error)) {
    return {End::KeyRefused, title + " refused the key" + words, {}};
  }
  switch (error.status) {
    case 403: return {End::KeyRefused, "the key may not be used for this" + words, {}};
    case 404: return {End::BadRequest, "the API does not know the model " + model + words, {}};
    case 429: return {End::RateLimited, title + " limits the rate of requests" + words, {}};
    case 529: return {End::Overloaded, title + " is overloaded", {}};
    default: break;
  }
  if (error.status >= 500 || error.status == 408 || error.status == 409 || error.status == 424) {
    return {End::Overloaded, title + " has a fault (" + status + ")" + words, {}};
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

namespace {

// One question that is sent until it is answered, or until that is no use.
class Sender {
 public:
  Sender(const Settings& settings, const World& world, const std::string& model,
         const std::string& body)
      : settings_(settings), world_(world), model_(model), body_(body) {
    credential_ = settings.credential;
  }

  std::variant<Reply, NoAnswer> Run() {
    if (std::optional<NoAnswer> none = TakeCredential(false)) return *none;
    for (int retries = 0;; ++retries) {
      if (const std::string why = world_.gate(model_); !why.empty()) {
        return NoAnswer{End::Held, why, {}};
      }
      std::optional<Reply> reply = Send(retries);
      if (reply) return std::move(*reply);
      if (MayTryAnother()) {
        --retries;
        continue;
      }
      if (!decision_.retry) {
        if (decision_.asked_ms) failed_.retry_at_ms = world_.clock->NowMs() + *decision_.asked_ms;
        return failed_;
      }
      if (!world_.clock->Sleep(decision_.wait_ms, world_.pulse)) {
        return NoAnswer{End::Cancelled, "cancelled", {}};
      }
      if (std::optional<NoAnswer> none = TakeCredential(false)) return *none;
    }
  }

 private:
  // Why there is no credential, or nothing.
  std::optional<NoAnswer> TakeCredential(bool refused) {
    if (!world_.credential) return std::nullopt;
    base::Result<Credential> now = world_.credential(refused);
    if (!now) return NoAnswer{End::KeyRefused, now.error().message, {}};
    credential_ = std::move(*now);
    return std::nullopt;
  }

  // Once, after a credential was refused: whether there is another by now.
  bool MayTryAnother() {
    if (!unknown_credential_ || refreshed_ || !world_.credential) return false;
    refreshed_ = true;
    const Credential before = credential_;
    return !TakeCredential(true) && !Same(before, credential_);
  }

  std::optional<Reply> Send(int retries) {
    net::Request request = MakeRequest(settings_.endpoint, credential_, model_, body_);
    request.connect_timeout_ms = settings_.connect_timeout_ms;
    request.total_timeout_ms = settings_.request_timeout_ms;
    if (world_.sending) world_.sending(model_, body_);
    const net::Outcome outcome = world_.transport->Send(request, world_.pulse);

    Call call;
    call.model = model_;
    call.request_bytes = body_.size();
    unknown_credential_ = false;
    std::optional<Reply> reply;
    if (const auto* response = std::get_if<net::Response>(&outcome)) {
      call.status = response->status;
      const ApiError error = ParseError(*response);
      call.request_id = error.request_id;
      if (IsSuccess(*response)) {
        reply = ReadReply(*response);
        call.usage = reply->usage;
      } else {
        failed_ = Explain(settings_.endpoint.provider, error, model_, credential_);
        unknown_credential_ = IsUnknownCredential(error);
        decision_ = net::DecideOnResponse(settings_.retry, *response, error.code, retries,
                                          world_.clock->NowMs(), world_.clock->Random());
      }
    } else {
      const auto& failure = std::get<net::Failure>(outcome);
      failed_ = Explain(failure);
      decision_ = net::DecideOnFailure(settings_.retry, failure, retries, world_.clock->Random());
    }
    world_.record(call);
    return reply;
  }

  const Settings& settings_;
  const World& world_;
  const std::string& model_;
  const std::string& body_;
  Credential credential_;
  bool unknown_credential_ = false;
  bool refreshed_ = false;
  NoAnswer failed_;
  net::RetryDecision decision_;
};

}  // namespace

std::variant<Reply, NoAnswer> Exchange(const Settings& settings, const World& world,
                                       const std::string& model, const std::string& body) {
  return Sender(settings, world, model, body).Run();
}

}  // namespace mend::plan::claude
