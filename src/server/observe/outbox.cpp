#include "server/observe/outbox.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/net/retry.h"
#include "server/pg/http.h"
#include "server/pg/settings.h"
#include "server/pg/settings_observe.h"
#include "server/pg/spi.h"
#include "server/pg/work_transaction.h"

namespace mend::observe {
namespace {

constexpr int64_t kBudgetMs = 10 * 1000;   // for one URL in one call
constexpr int64_t kRequestMs = 10 * 1000;  // for one message
constexpr int64_t kConnectMs = 5 * 1000;
constexpr int64_t kHurriedMs = 1000;      // for a request under way, doubled with each further try
constexpr int64_t kShortestWaitMs = 100;  // for a message that is due, and that somebody has locked
constexpr int64_t kFirstPauseMs = 5 * 1000;
constexpr int64_t kLongestPauseMs = 3600 * 1000;
constexpr int kTries = 12;        // some three hours
constexpr int kRefusedTries = 3;  // of a message that the server does not want

int64_t NowMs() { return GetCurrentTimestamp() / 1000; }

// Where messages of a channel go. Each URL has its own queue and its own back-off.
struct Destination {
  const char* channel;
  const char* url;
  std::optional<bool> alerts;  // those of severity warning and critical alone, or the others alone
  const char* format;
  const char* content_type;
};

struct Message {
  int64_t id;
  std::string body;
  int tries;
};

bool IsSet(const char* text) { return text != nullptr && *text != '\0'; }

bool AlertsApart() {
  return IsSet(pg::webhook_url) && IsSet(pg::webhook_alert_url) &&
         std::string_view(pg::webhook_url) != pg::webhook_alert_url;
}

// What needs a person first.
std::vector<Destination> Destinations() {
  const auto format = static_cast<pg::WebhookFormat>(pg::webhook_format);
  const char* type =
      format == pg::WebhookFormat::Text ? "text/plain; charset=utf-8" : "application/json";
  std::vector<Destination> destinations;
  if (AlertsApart()) {
    destinations.push_back({"webhook", pg::webhook_alert_url, true, pg::Name(format), type});
    destinations.push_back({"webhook", pg::webhook_url, false, pg::Name(format), type});
  } else {
    destinations.push_back({"webhook", pg::webhook_url, std::nullopt, pg::Name(format), type});
  }
  destinations.push_back({"lineage", pg::lineage_url, std::nullopt, "json", "application/json"});
  return destinations;
}

void SendNotifications() {
  for (bool more = true; more;) {
    pg::WorkTransaction transaction;
    more = pg::RunPrepared("SELECT mend.send_notifications()").int8(0, 0) == 1000;
    transaction.Commit();
  }
}

std::optional<Message> Take(const Destination& destination) {
  pg::WorkTransaction transaction;
  const pg::Rows rows = pg::RunPrepared(
      "SELECT id, convert_from(convert_to(body, 'UTF8'), 'SQL_ASCII'), tries "
      "FROM mend.take_message($1, $2, $3) WHERE id IS NOT NULL",
      {pg::Text(destination.channel),
       pg::Text(destination.format),
       {BOOLOID, BoolGetDatum(destination.alerts.value_or(false)), !destination.alerts}});
  std::optional<Message> message;
  if (!rows.empty()) {
    message = Message{rows.int8(0, 0), rows.text(0, 1), static_cast<int>(rows.int8(0, 2))};
  }
  transaction.Commit();
  return message;
}

net::Outcome Post(const Destination& destination, const Message& message,
                  const std::function<bool()>& hurried) {
  net::Request request;
  request.url = destination.url;
  request.headers = {{"content-type", destination.content_type}, {"user-agent", "pg_mend"}};
  request.body = message.body;
  request.connect_timeout_ms = kConnectMs;
  request.total_timeout_ms = kRequestMs;
  request.max_response_bytes = 64 * 1024;
  const int64_t begun = NowMs();
  // A server that is slow beside a database that is never idle is told all the same.
  const int64_t patience = std::min(kHurriedMs << std::min(message.tries - 1, 10), kRequestMs);
  return pg::HttpTransport().Send(
      request, [&] { return pg::HeedInterrupts() && !(NowMs() - begun > patience && hurried()); });
}

// 408, 409, 425 and 429 say "later"; the other 4xx "never".
bool IsRefusal(int status) {
  return status >= 400 && status < 500 && status != 408 && status != 409 && status != 425 &&
         status != 429;
}

int64_t Pause(int tries) {
  return std::min(kFirstPauseMs << std::min(tries - 1, 20), kLongestPauseMs);
}

// Books what became of a message; true when it arrived.
bool RecordOutcome(const Message& message, const net::Outcome& outcome) {
  const auto* response = std::get_if<net::Response>(&outcome);
  pg::WorkTransaction transaction;
  const bool sent = response != nullptr && response->status >= 200 && response->status < 300;
  if (sent) {
    pg::RunPrepared("SELECT mend.message_sent($1)", {pg::Int8(message.id)});
  } else {
    const std::string why = response != nullptr ? "HTTP status " + std::to_string(response->status)
                                                : std::get<net::Failure>(outcome).message;
    int64_t pause = Pause(message.tries);
    if (response != nullptr) {
      pause = std::clamp(net::RetryAfterMs(response->headers, NowMs()).value_or(pause), pause,
                         kLongestPauseMs);
    }
    const bool refused = response != nullptr && IsRefusal(response->status);
    pg::RunPrepared("SELECT mend.message_not_sent($1, $2, $3, $4, $5)",
                    {pg::Int8(message.id), pg::Int4(message.tries), pg::Text(why), pg::Int8(pause),
                     pg::Bool(message.tries >= (refused ? kRefusedTries : kTries))});
  }
  transaction.Commit();
  return sent;
}

// Nobody is to be told any more.
void Forget(const Destination& destination) {
  pg::WorkTransaction transaction;
  pg::RunPrepared("DELETE FROM mend.outbox WHERE channel = $1 AND state <> 'dead'",
                  {pg::Text(destination.channel)});
  transaction.Commit();
}

// A URL that takes its time costs the others none of theirs.
void SendAll(const Destination& destination, const std::function<bool()>& hurried) {
  const int64_t until_ms = NowMs() + kBudgetMs;
  while (NowMs() < until_ms && !hurried()) {
    const std::optional<Message> message = Take(destination);
    if (!message || !RecordOutcome(*message, Post(destination, *message, hurried))) {
      return;
    }
  }
}

std::optional<int64_t> NextMs() {
  pg::WorkTransaction transaction;
  const pg::Rows rows = pg::RunPrepared(
      "SELECT ceil(extract(epoch FROM mend.next_message_at($1) - clock_timestamp()) * "
      "1000)::bigint",
      {pg::Bool(AlertsApart())});
  std::optional<int64_t> next;
  if (!rows.IsNull(0, 0)) {
    next = std::max(rows.int8(0, 0), kShortestWaitMs);
  }
  transaction.Commit();
  return next;
}

}  // namespace

std::optional<int64_t> SendMessages(const std::function<bool()>& hurried) {
  if (!NextMs()) {
    return std::nullopt;
  }
  SendNotifications();
  for (const Destination& destination : Destinations()) {
    if (IsSet(destination.url)) {
      SendAll(destination, hurried);
    } else if (!pg::IsTakenByOthers(destination.channel)) {
      Forget(destination);
    }
  }
  return NextMs();
}

void NoteRun(int64_t patch_id) {
  if (IsSet(pg::lineage_url) || pg::IsTakenByOthers("lineage")) {
    pg::RunPrepared("SELECT mend.note_run($1, 'START')", {pg::Int8(patch_id)});
  }
}

}  // namespace mend::observe
