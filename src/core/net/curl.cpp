#include "core/net/curl.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>

#include "core/net/loopback.h"
#include "core/net/signals.h"

namespace mend::net {
namespace {

constexpr size_t kMaxHeaderBytes = 64 << 10;

template <auto Function>
struct Free {
  template <class T>
  void operator()(T* handle) const {
    const SignalBlock block;  // closing a connection may write to it
    Function(handle);
  }
};
using Easy = std::unique_ptr<CURL, Free<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, Free<curl_multi_cleanup>>;
using List = std::unique_ptr<curl_slist, Free<curl_slist_free_all>>;
using Url = std::unique_ptr<CURLU, Free<curl_url_cleanup>>;

// What the callbacks write into.
struct Sink {
  Response response;
  size_t max_body = 0;
  size_t header_bytes = 0;
  bool too_large = false;
};

size_t OnBody(char* data, size_t size, size_t count, void* user) noexcept {
  auto* sink = static_cast<Sink*>(user);
  const size_t bytes = size * count;
  if (bytes > sink->max_body - sink->response.body.size()) {
    sink->too_large = true;
    return 0;
  }
  try {
    sink->response.body.append(data, bytes);
  } catch (...) {
    sink->too_large = true;
    return 0;
  }
  return bytes;
}

std::string_view Trim(std::string_view text) {
  const char* blanks = " \t\r\n";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

void AddHeader(std::string_view line, Headers* headers) {
  // A status line begins another response: what an interim one (100 Continue, a proxy's) said is
  // void.
  if (line.substr(0, 5) == "HTTP/") return headers->clear();
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string name(Trim(line.substr(0, colon)));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  headers->emplace_back(std::move(name), Trim(line.substr(colon + 1)));
}

size_t OnHeader(char* data, size_t size, size_t count, void* user) noexcept {
  auto* sink = static_cast<Sink*>(user);
  const size_t bytes = size * count;
  sink->header_bytes += bytes;
  if (sink->header_bytes > kMaxHeaderBytes) {
    sink->too_large = true;
    return 0;
  }
  try {
    AddHeader({data, bytes}, &sink->response.headers);
  } catch (...) {
    sink->too_large = true;
    return 0;
  }
  return bytes;
}

std::string Part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK || text == nullptr) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

Failure Fail(FailureKind kind, std::string message, Phase phase = Phase::Resolve) {
  return {kind, phase, std::move(message)};
}

// The URL as libcurl itself reads it, so that what is judged is what is dialled.
std::variant<Url, Failure> ReadUrl(const std::string& text, bool link_local, bool* loopback) {
  Url url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return Fail(FailureKind::BadUrl, "the URL cannot be read");
  }
  const std::string scheme = Part(url.get(), CURLUPART_SCHEME);
  if (scheme != "https" && scheme != "http") {
    return Fail(FailureKind::BadUrl, "the URL must begin with https://");
  }
  if (!Part(url.get(), CURLUPART_USER).empty() || !Part(url.get(), CURLUPART_PASSWORD).empty()) {
    return Fail(FailureKind::BadUrl, "the URL must not hold a user name or password");
  }
  const std::string host = Part(url.get(), CURLUPART_HOST);
  *loopback = IsLoopbackHost(host) || (link_local && IsMetadataHost(host));
  if (scheme == "http" && !*loopback) {
    return Fail(FailureKind::PlainHttp,
                "plain http is only spoken with this machine itself; use https");
  }
  return url;
}

// Judged by what has happened, as far as libcurl tells while a transfer is under way.
Phase PhaseOf(CURL* easy, const Sink& sink, size_t body_size) {
  const auto reached = [easy](CURLINFO info) {
    curl_off_t value = 0;
    return curl_easy_getinfo(easy, info, &value) == CURLE_OK ? value : 0;
  };
  if (sink.header_bytes > 0) return Phase::Receive;
  if (reached(CURLINFO_PRETRANSFER_TIME_T) > 0) {
    const bool sent = static_cast<size_t>(reached(CURLINFO_SIZE_UPLOAD_T)) >= body_size;
    return sent ? Phase::Wait : Phase::Send;
  }
  long port = 0;  // ours, of a connection that stands
  curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &port);
  if (port > 0 || reached(CURLINFO_CONNECT_TIME_T) > 0) return Phase::Tls;
  return reached(CURLINFO_NAMELOOKUP_TIME_T) > 0 ? Phase::Connect : Phase::Resolve;
}

Failure Describe(CURLcode code, const Sink& sink, const char* detail, Phase phase) {
  const std::string why = *detail != '\0' ? detail : curl_easy_strerror(code);
  if (sink.too_large || code == CURLE_FILESIZE_EXCEEDED) {
    return Fail(FailureKind::TooLarge, "the answer is larger than allowed", Phase::Receive);
  }
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Fail(FailureKind::TimedOut, "timed out while " + std::string(Name(phase)), phase);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED: return Fail(FailureKind::Tls, why, Phase::Tls);
    case CURLE_URL_MALFORMAT: return Fail(FailureKind::BadUrl, why);
    default: return Fail(FailureKind::Network, why, phase);
  }
}

List MakeHeaders(const Request& request) {
  List list;
  const auto append = [&list](const std::string& line) {
    if (curl_slist* longer = curl_slist_append(list.get(), line.c_str())) {
      static_cast<void>(list.release());
      list.reset(longer);
    }
  };
  for (const auto& [name, value] : request.headers) append(name + ": " + value);
  if (request.signature.access_key.empty()) {
    append("Expect:");  // no round trip before the body
  } else if (!request.signature.session_token.empty()) {
    // "Expect:" is left out here: libcurl up to 8 signs a header that it is told not to send.
    append("X-Amz-Security-Token: " + request.signature.session_token);
  }
  return list;
}

void Configure(CURL* easy, const Request& request, CURLU* url, curl_slist* headers, bool loopback,
               Sink* sink, char* detail) {
  curl_easy_setopt(easy, CURLOPT_CURLU, url);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  if (request.method == "GET") {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  } else {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.c_str());
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // a name server that hangs delays no cancel
#endif
  if (loopback) {
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
  } else if (!request.proxy.empty()) {
    curl_easy_setopt(easy, CURLOPT_PROXY, request.proxy.c_str());
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  }
  if (!request.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, request.ca_file.c_str());
  curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                   static_cast<curl_off_t>(request.max_response_bytes));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, sink);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, sink);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
}

// A path as AWS signs it: what is sent, encoded once more (all services but S3).
std::string SignedPath(const std::string& sent) {
  constexpr char kHex[] = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-._~/";
  std::string out;
  for (const char c : sent) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && (std::isalnum(byte) != 0 || kPlain.find(c) != std::string_view::npos)) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

// Has libcurl sign the request. Versions before 8.14 sign the path of the URL as it stands, later
// ones encode it themselves: the former are given the encoded path to sign, and the other one to
// send.
bool Sign(CURL* easy, const Signature& signature, CURLU* url) {
  const std::string provider = "aws:amz:" + signature.region + ":" + signature.service;
  const std::string keys = signature.access_key + ":" + signature.secret_key;
  if (curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, provider.c_str()) != CURLE_OK ||
      curl_easy_setopt(easy, CURLOPT_USERPWD, keys.c_str()) != CURLE_OK) {
    return false;
  }
  const std::string sent = Part(url, CURLUPART_PATH);
  const std::string signed_path = SignedPath(sent);
  constexpr unsigned int kEncodesItself = 0x080e00;
  if (signed_path == sent || curl_version_info(CURLVERSION_NOW)->version_num >= kEncodesItself) {
    return true;
  }
  // As a whole: libcurl would write the digits of %3A small in a path that is set by itself.
  std::string whole = Part(url, CURLUPART_URL);
  whole.replace(whole.find(sent, whole.find("://") + 3), sent.size(), signed_path);
  return curl_url_set(url, CURLUPART_URL, whole.c_str(), 0) == CURLUE_OK &&
         curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, sent.c_str()) == CURLE_OK;
}

// Takes the transfer out of its multi before either is freed, whatever happens.
class Transfer {
 public:
  Transfer(CURLM* multi, CURL* easy) : multi_(multi), easy_(easy) {
    added_ = curl_multi_add_handle(multi_, easy_) == CURLM_OK;
  }
  ~Transfer() {
    const SignalBlock block;
    if (added_) curl_multi_remove_handle(multi_, easy_);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // nullopt: cancelled.
  std::optional<CURLcode> Run(const Pulse& pulse) {
    if (!added_) return CURLE_FAILED_INIT;
    while (true) {
      if (!pulse()) return std::nullopt;
      int running = 0;
      CURLMcode code;
      {
        const SignalBlock block;
        code = curl_multi_perform(multi_, &running);
      }
      if (code != CURLM_OK) return CURLE_FAILED_INIT;
      if (running == 0) return Finished();
      // Signals are open here: one that arrives ends the slice.
      if (curl_multi_poll(multi_, nullptr, 0, kPulseMs, nullptr) != CURLM_OK) {
        return CURLE_FAILED_INIT;
      }
    }
  }

 private:
  CURLcode Finished() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg == CURLMSG_DONE) return message->data.result;
    }
    return CURLE_FAILED_INIT;
  }

  CURLM* multi_;
  CURL* easy_;
  bool added_ = false;
};

}  // namespace

CurlTransport::CurlTransport() {
  const SignalBlock block;
  ready_ = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

CurlTransport::~CurlTransport() {
  if (ready_) curl_global_cleanup();
}

Outcome CurlTransport::Send(const Request& request, const Pulse& pulse) {
  bool loopback = false;
  auto read = ReadUrl(request.url, request.link_local, &loopback);
  if (Failure* failure = std::get_if<Failure>(&read)) return std::move(*failure);
  const Url& url = std::get<Url>(read);

  Sink sink;
  sink.max_body = request.max_response_bytes;
  char detail[CURL_ERROR_SIZE] = "";
  const List headers = MakeHeaders(request);
  const Easy easy(ready_ ? curl_easy_init() : nullptr);
  const Multi multi(ready_ ? curl_multi_init() : nullptr);
  if (!easy || !multi) return Fail(FailureKind::Network, "libcurl cannot be initialised");
  Configure(easy.get(), request, url.get(), headers.get(), loopback, &sink, detail);
  if (!request.signature.access_key.empty() && !Sign(easy.get(), request.signature, url.get())) {
    return Fail(FailureKind::BadUrl, "this libcurl cannot sign requests for AWS");
  }

  Transfer transfer(multi.get(), easy.get());
  const std::optional<CURLcode> code = transfer.Run(pulse);
  const Phase phase = PhaseOf(easy.get(), sink, request.body.size());
  if (!code) return Fail(FailureKind::Cancelled, "cancelled", phase);
  if (*code != CURLE_OK) return Describe(*code, sink, detail, phase);
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  sink.response.status = static_cast<int>(status);
  return std::move(sink.response);
}

}  // namespace mend::net
