#include "bridge/stdio.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "bridge/signals.h"
#include "core/base/json_member.h"

namespace mend::bridge {
namespace {

constexpr size_t kMaxWaiting = 32;
constexpr std::chrono::seconds kDrain{10};

// Writes a line in one piece; false when nobody reads any more.
bool WriteLine(std::string text) {
  text += '\n';
  for (size_t done = 0; done < text.size();) {
    const ssize_t count = write(STDOUT_FILENO, text.data() + done, text.size() - done);
    if (count < 0 && errno != EINTR) return false;
    if (count < 0 && StopAsked()) return false;
    if (count > 0) done += static_cast<size_t>(count);
  }
  return true;
}

// Gives lines of bounded length: what is longer is passed over, and told of.
class LineReader {
 public:
  enum class Event { Line, TooLong, End };

  Event Next(std::string* line) {
    for (;;) {
      const size_t end = buffer_.find('\n', scanned_);
      if (end != std::string::npos) {
        const bool was_too_long = skipping_ || end > mcp::kMaxMessageBytes;
        if (!was_too_long) line->assign(buffer_, 0, end);
        buffer_.erase(0, end + 1);
        scanned_ = 0;
        skipping_ = false;
        return was_too_long ? Event::TooLong : Event::Line;
      }
      if (buffer_.size() > mcp::kMaxMessageBytes) skipping_ = true;
      if (skipping_) buffer_.clear();
      scanned_ = buffer_.size();
      if (!Fill()) return Event::End;
    }
  }

 private:
  // False at the end of input, or when we are to stop.
  bool Fill() {
    for (;;) {
      pollfd waiting[] = {{STDIN_FILENO, POLLIN, 0}, {StopDescriptor(), POLLIN, 0}};
      if (poll(waiting, 2, -1) < 0 && errno != EINTR) return false;
      if (StopAsked()) return false;
      if (waiting[0].revents == 0) continue;
      char chunk[64 << 10];
      const ssize_t count = read(STDIN_FILENO, chunk, sizeof chunk);
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (count <= 0) return false;
      buffer_.append(chunk, static_cast<size_t>(count));
      return true;
    }
  }

  std::string buffer_;
  size_t scanned_ = 0;
  bool skipping_ = false;
};

class Session {
 public:
  Session(const mcp::Server& server, Database* database)
      : server_(server), database_(database), worker_([this] { Work(); }) {}

  int Run() {
    LineReader reader;
    std::string line;
    for (;;) {
      const auto event = reader.Next(&line);
      if (event == LineReader::Event::End) break;
      if (event == LineReader::Event::TooLong) {
        Send(mcp::ErrorReply(
            "", mcp::code::kInvalidRequest,
            "A message may have " + std::to_string(mcp::kMaxMessageBytes) + " bytes at most"));
      } else if (line.find_first_not_of(" \t\r") != std::string::npos) {
        Take(std::make_unique<mcp::Message>(std::move(line)));
      }
    }
    return Finish();
  }

 private:
  void Send(const std::string& text) {
    if (text.empty()) return;
    std::lock_guard<std::mutex> lock(output_);
    // Nobody listens: there is nothing left to do. Threads may hang in the database.
    if (!WriteLine(text)) std::_Exit(StopAsked() ? 0 : 1);
  }

  void Take(std::unique_ptr<mcp::Message> message) {
    if (message->kind() == mcp::Kind::Notification &&
        message->method() == "notifications/cancelled") {
      return Cancel(*message);
    }
    const std::string_view method = message->method();
    if (message->kind() != mcp::Kind::Request || method == "ping" || method == "initialize" ||
        method == "server/discover") {
      return Send(server_.Handle(*message).text);
    }
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return waiting_.size() < kMaxWaiting || StopAsked(); });
    waiting_.push_back(std::move(message));
    changed_.notify_all();
  }

  // Unknown ids are none of our business: the answer may have crossed the cancellation.
  void Cancel(const mcp::Message& message) {
    const json::Value id = json::Member(message.params(), "requestId");
    if (!id) return;
    const std::string wanted = id.Serialise();
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto request = waiting_.begin(); request != waiting_.end(); ++request) {
      if ((*request)->id() == wanted) {
        waiting_.erase(request);
        return;
      }
    }
    if (!wanted.empty() && running_ == wanted) {
      running_cancelled_ = true;
      database_->CancelAll();
    }
  }

  void Work() {
    for (;;) {
      std::unique_ptr<mcp::Message> message;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        running_.clear();
        changed_.notify_all();
        changed_.wait(lock, [this] { return !waiting_.empty() || ended_; });
        if (waiting_.empty()) return;
        message = std::move(waiting_.front());
        waiting_.pop_front();
        running_ = message->id();
        running_cancelled_ = false;
      }
      const std::string reply = Reply(*message);
      std::unique_lock<std::mutex> lock(mutex_);
      const bool unwanted = running_cancelled_;
      running_.clear();
      lock.unlock();
      if (!unwanted) Send(reply);
    }
  }

  std::string Reply(const mcp::Message& message) {
    try {
      return server_.Handle(message).text;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "mend-mcp: %s\n", error.what());
      return mcp::ErrorReply(message.id(), mcp::code::kInternal, "Internal error");
    }
  }

  // Lets the worker finish what was asked, unless we are told to stop.
  int Finish() {
    std::unique_lock<std::mutex> lock(mutex_);
    ended_ = true;
    changed_.notify_all();
    const auto done = [this] { return waiting_.empty() && running_.empty(); };
    const auto deadline = Clock::now() + kDrain;
    while (!done() && !StopAsked() && Clock::now() < deadline) {
      changed_.wait_for(lock, std::chrono::milliseconds(100));
    }
    const bool finished = done();
    lock.unlock();
    if (finished) {
      worker_.join();
      return 0;
    }
    database_->CancelAll();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // for the cancel request to leave
    std::_Exit(0);
  }

  const mcp::Server& server_;
  Database* database_;
  std::mutex output_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::unique_ptr<mcp::Message>> waiting_;
  std::string running_;  // the id that is being served; empty: none
  bool running_cancelled_ = false;
  bool ended_ = false;
  std::thread worker_;  // last: it uses the others
};

}  // namespace

int ServeStdio(const mcp::Server& server, Database* database) {
  return Session(server, database).Run();
}

}  // namespace mend::bridge
