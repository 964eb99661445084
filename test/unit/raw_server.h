// A socket on 127.0.0.1 that misbehaves as told, in a thread of its own.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace mend::test {

class RawServer {
 public:
  // `serve` gets each connection, in turn; the socket is closed behind it.
  explicit RawServer(std::function<void(int)> serve) : serve_(std::move(serve)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~RawServer() {
    stop_ = true;
    thread_.join();
    close(listener_);
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  int port() const { return port_; }
  std::string url(const std::string& scheme = "http") const {
    return scheme + "://127.0.0.1:" + std::to_string(port_) + "/v1/messages";
  }
  int connections() const { return connections_; }

  // Until the client has gone, or the server is to stop.
  void Linger(int client) const {
    char bytes[4096];
    while (!stop_) {
      pollfd waiting = {client, POLLIN, 0};
      if (poll(&waiting, 1, 20) > 0 && read(client, bytes, sizeof(bytes)) <= 0) return;
    }
  }
  bool stopped() const { return stop_; }

 private:
  void Run() {
    while (!stop_) {
      pollfd waiting = {listener_, POLLIN, 0};
      if (poll(&waiting, 1, 20) <= 0) continue;
      const int client = accept(listener_, nullptr, nullptr);
      if (client < 0) continue;
      ++connections_;
      serve_(client);
      close(client);
    }
  }

  std::function<void(int)> serve_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0};
  std::thread thread_;
};

inline void Say(int client, const std::string& text) {
  EXPECT_GE(send(client, text.data(), text.size(), MSG_NOSIGNAL), 0);
}

inline void ReadRequest(int client) {
  char bytes[65536];
  EXPECT_GT(read(client, bytes, sizeof(bytes)), 0);
}

}  // namespace mend::test
