#include "server/observe/outbox.h"

#include <algorithm>
#include <string>
#include <variant>

#include "core/net/retry.h"
#include "server/pg/http.h"
#include "server/pg/settings_observe.h"
#include "server/pg/spi.h"
#include "server/pg/work_transaction.h"

namespace mend::observe {
namespace {

constexpr int64_t kBudgetMs = 10 * 1000;   // for one call
constexpr int64_t kRequestMs = 10 * 1000;  // for one message
constexpr int64_t kConnectMs = 5 * 1000;
constexpr int64_t kHurriedMs = 1000;  // more, for a request under way
constexpr int64_t kFirstPauseMs = 5 * 1000;
constexpr int64_t kLongestPauseMs = 3600 * 1000;
constexpr int kTries = 12;        // some three hours
constexpr int kRefusedTries = 3;  // of a message that the server does not want

int64_t NowMs() { return GetCurrentTimestamp() / 1000; }

struct Channel {
  const char* name;
  const char* url;  // for messages below warning
  const char* alert_url;
  const char* format;
  const char* content_type;
};

struct Message {
  int64_t id;
  bool alert;
  std::string body;
  int tries;
};

bool IsSet(const char* text) { return text != nullptr && *text != '\0'; }

Channel Webhook() {
  auto format = static_cast<pg::WebhookFormat>(pg::webhook_format);
  return {"webhook", pg::webhook_url,
          IsSet(pg::webhook_alert_url) ? pg::webhook_alert_url : pg::webhook_url, pg::Name(format),
          format == pg::WebhookFormat::Text ? "text/plain; charset=utf-8" : "application/json"};
}

Channel Lineage() {
  return {"lineage", pg::lineage_url, pg::lineage_url, "json", "application/json"};
}

void SendNotifications() {
  for (bool more = true; more;) {
    pg::WorkTransaction transaction;
    more = pg::RunPrepared("SELECT mend.send_notifications()").int8(0, 0) == 1000;
    transaction.Commit();
  }
}

std::optional<Message> Take(const Channel& channel) {
  pg::WorkTransaction transaction;
  const pg::Rows rows = pg::RunPrepared(
      "SELECT id, severity IN ('warning', 'critical'), convert_from(convert_to(body, 'UTF8'), "
      "'SQL_ASCII'), tries "
      "FROM mend.take_message($1, $2) WHERE id IS NOT NULL",
      {pg::Text(channel.name), pg::Text(channel.format)});
  std::optional<Message> message;
  if (!rows.empty()) {
    message = Message{rows.int8(0, 0), rows.boolean(0, 1), rows.text(0, 2),
                      static_cast<int>(rows.int8(0, 3))};
  }
  transaction.Commit();
  return message;
}

net::Outcome Post(const Channel& channel, const Message& message,
                  const std::function<bool()>& hurried) {
  net::Request request;
  request.url = message.alert ? channel.alert_url : channel.url;
  request.headers = {{"content-type", channel.content_type}, {"user-agent", "pg_mend"}};
  request.body = message.body;
  request.connect_timeout_ms = kConnectMs;
  request.total_timeout_ms = kRequestMs;
  request.max_response_bytes = 64 * 1024;
  const int64_t begun = NowMs();
  return pg::HttpTransport().Send(request, [&] {
    return pg::HeedInterrupts() && !(NowMs() - begun > kHurriedMs && hurried());
  });
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
bool Settle(const Message& message, const net::Outcome& outcome) {
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
void Forget(const Channel& channel) {
  pg::WorkTransaction transaction;
  pg::RunPrepared("DELETE FROM mend.outbox WHERE channel = $1 AND state <> 'dead'",
                  {pg::Text(channel.name)});
  transaction.Commit();
}

void SendAll(const Channel& channel, int64_t until_ms, const std::function<bool()>& hurried) {
  while (NowMs() < until_ms && !hurried()) {
    const std::optional<Message> message = Take(channel);
    if (!message || !Settle(*message, Post(channel, *message, hurried))) {
      return;
    }
  }
}

std::optional<int64_t> NextMs() {
  pg::WorkTransaction transaction;
  const pg::Rows rows = pg::RunPrepared(
      "SELECT ceil(extract(epoch FROM min(f.next_try) - clock_timestamp()) * 1000)::bigint "
      "FROM (VALUES ('notify'), ('webhook'), ('lineage')) c (channel), LATERAL (SELECT o.next_try "
      "FROM mend.outbox o "
      "WHERE o.channel = c.channel AND o.state = 'pending' ORDER BY o.id LIMIT 1) f");
  std::optional<int64_t> next;
  if (!rows.IsNull(0, 0)) {
    next = std::max<int64_t>(rows.int8(0, 0), 1);
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
  const int64_t until = NowMs() + kBudgetMs;
  for (const Channel& channel : {Webhook(), Lineage()}) {
    if (IsSet(channel.url)) {
      SendAll(channel, until, hurried);
    } else {
      Forget(channel);
    }
  }
  return NextMs();
}

void NoteRun(int64_t patch_id) {
  if (IsSet(pg::lineage_url)) {
    pg::RunPrepared("SELECT mend.note_run($1, 'START')", {pg::Int8(patch_id)});
  }
}

}  // namespace mend::observe
