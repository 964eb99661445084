#include "core/net/curl.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <chrono>
#include <stdexcept>

#include "core/net/clock.h"
#include "core/net/loopback.h"
#include "core/net/signals.h"
#include "raw_server.h"
#include "stand_in.h"

namespace mend::net {
namespace {

using test::RawServer;
using test::ReadRequest;
using test::Say;

int64_t NowMs() { return SystemClock().NowMs(); }

bool Always() { return true; }

class CurlTest : public testing::Test {
 protected:
  Outcome Send(const std::string& url, const Pulse& pulse = Always) {
    request_.url = url;
    const int64_t begun = NowMs();
    Outcome outcome = transport_.Send(request_, pulse);
    took_ms_ = NowMs() - begun;
    return outcome;
  }
  Failure Fail(const std::string& url, const Pulse& pulse = Always) {
    const Outcome outcome = Send(url, pulse);
    EXPECT_TRUE(std::holds_alternative<Failure>(outcome)) << url;
    const Failure* failure = std::get_if<Failure>(&outcome);
    return failure != nullptr ? *failure : Failure{};
  }

  CurlTransport transport_;
  Request request_{"", {{"x-test", "1"}}, "{}", 2000, 5000, 1 << 20};
  int64_t took_ms_ = 0;
};

TEST_F(CurlTest, PostsAndReadsTheAnswer) {
  RawServer server([](int client) {
    ReadRequest(client);
    Say(client, "HTTP/1.1 429 Slow\r\nRetry-After:  7 \r\nX-B: c:d\r\ncontent-length: 2\r\n\r\nhi");
  });
  const Outcome outcome = Send(server.url());
  ASSERT_TRUE(std::holds_alternative<Response>(outcome)) << std::get<Failure>(outcome).message;
  const Response& response = std::get<Response>(outcome);
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.body, "hi");
  EXPECT_EQ(*FindHeader(response.headers, "retry-after"), "7");
  EXPECT_EQ(*FindHeader(response.headers, "x-b"), "c:d");
}

TEST_F(CurlTest, PlainHttpIsForLoopbackOnly) {
  for (const char* url :
       {"http://example.com/", "http://10.0.0.1/", "http://127.0.0.1.example.com/",
        "http://localhost.example.com/", "http://[::2]/", "http://128.0.0.1/", "http://0.0.0.0/",
        "http://[::ffff:10.0.0.1]/"}) {
    EXPECT_EQ(Fail(url).kind, FailureKind::PlainHttp) << url;
  }
}

TEST_F(CurlTest, UrlsThatAreNotSpoken) {
  for (const char* url :
       {"", "file:///etc/passwd", "ftp://localhost/", "gopher://127.0.0.1/",
        "https://user:secret@localhost/", "http://user@127.0.0.1/", "https://", "//x"}) {
    const Failure failure = Fail(url);
    EXPECT_EQ(failure.kind, FailureKind::BadUrl) << url;
    EXPECT_EQ(failure.message.find("secret"), std::string::npos);
  }
}

TEST(LoopbackTest, Hosts) {
  for (const char* host : {"localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "::1"}) {
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  }
  for (const char* host :
       {"", "localhost.", "127.1", "0x7f.0.0.1", "::", "[::]", "126.0.0.1", "[127.0.0.1]"}) {
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
  }
}

TEST_F(CurlTest, NeverAProxyForLoopback) {
  RawServer proxy([](int) {});
  const std::string address = "http://127.0.0.1:" + std::to_string(proxy.port());
  for (const char* name : {"http_proxy", "https_proxy", "ALL_PROXY"})
    setenv(name, address.c_str(), 1);
  RawServer server([](int client) {
    ReadRequest(client);
    Say(client, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  });
  EXPECT_TRUE(std::holds_alternative<Response>(Send(server.url())));
  EXPECT_EQ(proxy.connections(), 0);
  // Elsewhere it is honoured: the name is the proxy's to resolve.
  Fail("https://host.invalid/");
  EXPECT_GT(proxy.connections(), 0);
  for (const char* name : {"http_proxy", "https_proxy", "ALL_PROXY"}) unsetenv(name);
}

TEST_F(CurlTest, RedirectsAreNotFollowed) {
  RawServer server([](int client) {
    ReadRequest(client);
    Say(client, "HTTP/1.1 307 Go\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n");
  });
  const Outcome outcome = Send(server.url());
  ASSERT_TRUE(std::holds_alternative<Response>(outcome));
  EXPECT_EQ(std::get<Response>(outcome).status, 307);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(CurlTest, TimesOutWaiting) {
  RawServer* self = nullptr;
  RawServer server([&self](int client) { self->Linger(client); });
  self = &server;
  request_.total_timeout_ms = 400;
  const Failure failure = Fail(server.url());
  EXPECT_EQ(failure.kind, FailureKind::TimedOut);
  EXPECT_EQ(failure.phase, Phase::Wait);
  EXPECT_LT(took_ms_, 1500);
}

TEST_F(CurlTest, TimesOutReceiving) {
  RawServer* self = nullptr;
  RawServer server([&self](int client) {
    ReadRequest(client);
    Say(client, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    self->Linger(client);
  });
  self = &server;
  request_.total_timeout_ms = 400;
  const Failure failure = Fail(server.url());
  EXPECT_EQ(failure.kind, FailureKind::TimedOut);
  EXPECT_EQ(failure.phase, Phase::Receive);
}

TEST_F(CurlTest, TimesOutInTheHandshake) {
  RawServer* self = nullptr;
  RawServer server([&self](int client) { self->Linger(client); });
  self = &server;
  request_.connect_timeout_ms = 400;
  const Failure failure = Fail(server.url("https"));
  EXPECT_EQ(failure.kind, FailureKind::TimedOut);
  EXPECT_EQ(failure.phase, Phase::Tls);
}

TEST_F(CurlTest, TimesOutConnecting) {
  // A listener whose queue is full drops what comes: nobody accepts.
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::vector<int> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    connect(waiting.back(), reinterpret_cast<sockaddr*>(&address), size);
  }
  request_.connect_timeout_ms = 400;
  const Failure failure = Fail("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  EXPECT_EQ(failure.kind, FailureKind::TimedOut);
  EXPECT_EQ(failure.phase, Phase::Connect);
  for (int fd : waiting) close(fd);
  close(listener);
}

TEST_F(CurlTest, TimesOutSending) {
  RawServer* self = nullptr;
  RawServer server([&self](int) {
    while (!self->stopped()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  self = &server;
  request_.body = std::string(32 << 20, 'x');
  request_.total_timeout_ms = 600;
  const Failure failure = Fail(server.url());
  EXPECT_EQ(failure.kind, FailureKind::TimedOut);
  EXPECT_EQ(failure.phase, Phase::Send);
}

TEST_F(CurlTest, TooLarge) {
  for (const char* head : {"content-length: 9999999\r\n\r\n", "connection: close\r\n\r\n"}) {
    RawServer server([head](int client) {
      ReadRequest(client);
      Say(client, std::string("HTTP/1.1 200 OK\r\n") + head);
      const std::string chunk(65536, 'x');
      for (int i = 0; i < 160; ++i) {
        if (send(client, chunk.data(), chunk.size(), MSG_NOSIGNAL) < 0) return;
      }
    });
    EXPECT_EQ(Fail(server.url()).kind, FailureKind::TooLarge) << head;
  }
  RawServer headers([](int client) {
    ReadRequest(client);
    Say(client, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 40; ++i) {
      const std::string line = "x-pad: " + std::string(8000, 'x') + "\r\n";
      if (send(client, line.data(), line.size(), MSG_NOSIGNAL) < 0) return;
    }
  });
  EXPECT_EQ(Fail(headers.url()).kind, FailureKind::TooLarge);
}

TEST_F(CurlTest, CancelsWithin200Ms) {
  RawServer* self = nullptr;
  RawServer server([&self](int client) { self->Linger(client); });
  self = &server;
  const int64_t begun = NowMs();
  int64_t last = begun, longest = 0, cancelled = 0;
  const Failure failure = Fail(server.url(), [&] {
    const int64_t now = NowMs();
    longest = std::max(longest, now - last);
    last = now;
    if (now - begun > 700) cancelled = now;
    return cancelled == 0;
  });
  EXPECT_EQ(failure.kind, FailureKind::Cancelled);
  EXPECT_LT(NowMs() - cancelled, 200);
  EXPECT_LE(longest, kPulseMs + 150);  // a machine that is busy may be late
}

TEST_F(CurlTest, APulseMayThrow) {
  RawServer* self = nullptr;
  RawServer server([&self](int client) { self->Linger(client); });
  self = &server;
  EXPECT_THROW(Send(server.url(), []() -> bool { throw std::runtime_error("shutdown"); }),
               std::runtime_error);
}

TEST_F(CurlTest, BrokenConnections) {
  RawServer closes([](int client) { ReadRequest(client); });
  EXPECT_EQ(Fail(closes.url()).kind, FailureKind::Network);
  RawServer resets([](int client) {
    ReadRequest(client);
    const linger now = {1, 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  });
  EXPECT_EQ(Fail(resets.url()).kind, FailureKind::Network);
  RawServer half([](int client) {
    ReadRequest(client);
    Say(client, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
  });
  EXPECT_EQ(Fail(half.url()).kind, FailureKind::Network);
  RawServer no_http([](int client) {
    ReadRequest(client);
    Say(client, "220 mail.example ESMTP\r\n");
  });
  EXPECT_EQ(Fail(no_http.url()).kind, FailureKind::Network);
  EXPECT_EQ(Fail("http://127.0.0.1:1/").kind, FailureKind::Network);
}

TEST_F(CurlTest, TlsIsNotFakedByAnyone) {
  RawServer server([](int client) {
    ReadRequest(client);
    Say(client, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  });
  const Failure failure = Fail(server.url("https"));
  EXPECT_TRUE(failure.kind == FailureKind::Tls || failure.kind == FailureKind::Network);
}

TEST_F(CurlTest, ACertificateNobodySignedIsNotTrusted) {
  char name[] = "/tmp/mend_tls.XXXXXX";
  const std::string directory = mkdtemp(name);
  const std::string make =
      "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
      "-addext subjectAltName=IP:127.0.0.1 -keyout " +
      directory + "/k -out " + directory + "/c >/dev/null 2>&1";
  FILE* server = nullptr;
  int port = 0;
  if (system(make.c_str()) == 0) {
    const std::string run =
        "exec timeout 20 openssl s_server -www -naccept 1 -accept 127.0.0.1:0 -key " + directory +
        "/k -cert " + directory + "/c 2>/dev/null";
    server = popen(run.c_str(), "r");
    char line[200];
    while (port == 0 && fgets(line, sizeof(line), server) != nullptr) {
      sscanf(line, "ACCEPT 127.0.0.1:%d", &port);
    }
  }
  const Failure failure = port != 0 ? Fail("https://127.0.0.1:" + std::to_string(port)) : Failure{};
  if (server != nullptr) pclose(server);
  for (const char* file : {"/k", "/c"}) unlink((directory + file).c_str());
  rmdir(directory.c_str());
  if (port == 0) GTEST_SKIP() << "openssl runs no server here";
  EXPECT_EQ(failure.kind, FailureKind::Tls) << failure.message;
}

TEST_F(CurlTest, TheStandInChecksTheKey) {
  test::StandIn stand_in({});
  request_.headers = {{"x-api-key", "wrong"}, {"content-type", "application/json"}};
  const Outcome outcome = Send(stand_in.base() + "/v1/messages");
  ASSERT_TRUE(std::holds_alternative<Response>(outcome));
  EXPECT_EQ(std::get<Response>(outcome).status, 401);
}

TEST(SignalBlockTest, RestoresWhatWasAndSwallowsOnlyItsOwnPipe) {
  sigset_t before, within, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  {
    const SignalBlock block;
    pthread_sigmask(SIG_SETMASK, nullptr, &within);
    for (int signal : {SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGPIPE, SIGINT}) {
      EXPECT_EQ(sigismember(&within, signal), 1) << signal;
    }
    EXPECT_EQ(sigismember(&within, SIGSEGV), 0);
    raise(SIGPIPE);  // would end the process if it were delivered
  }
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

TEST(ClockTest, SleepCanBeCancelled) {
  SystemClock clock;
  const int64_t begun = clock.NowMs();
  EXPECT_FALSE(clock.Sleep(60'000, [&] { return clock.NowMs() - begun < 300; }));
  EXPECT_LT(clock.NowMs() - begun, 800);
  EXPECT_TRUE(clock.Sleep(10, Always));
  EXPECT_LT(clock.Random(), 1.0);
}

}  // namespace
}  // namespace mend::net
