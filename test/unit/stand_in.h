// Runs test/stand_in for a test, and ends with it.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "core/base/json_member.h"

namespace mend::test {

class StandIn {
 public:
  explicit StandIn(const std::vector<std::string>& script, std::vector<std::string> options = {})
      : options_(std::move(options)) {
    char name[] = "/tmp/mend_stand_in.XXXXXX";
    directory_ = mkdtemp(name);
    std::ofstream out(directory_ + "/script");
    for (const std::string& reply : script) out << reply << "\n";
    out.close();
    Start();
  }
  ~StandIn() {
    close(stdin_);
    if (pid_ > 0) {
      kill(pid_, SIGTERM);
      waitpid(pid_, nullptr, 0);
    }
    Keep();
    for (const char* file : {"/script", "/record"}) unlink((directory_ + file).c_str());
    rmdir(directory_.c_str());
  }
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

  std::string base() const { return "http://127.0.0.1:" + std::to_string(port_); }
  static std::string key() { return "test-key"; }

  // One JSON object a request, as recorded.
  std::vector<std::string> Requests() const {
    std::vector<std::string> lines;
    std::ifstream in(directory_ + "/record");
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
  std::vector<std::string> Bodies() const {
    std::vector<std::string> bodies;
    for (const std::string& line : Requests()) {
      json::Document document;
      EXPECT_FALSE(document.Parse(line));
      bodies.emplace_back(json::StringMember(document.root(), "body").value_or(""));
    }
    return bodies;
  }

 private:
  // For test/stand_in/types, which looks at all that was asked and answered.
  void Keep() const {
    const char* all = getenv("MEND_KEEP_RECORDS");
    if (all == nullptr) return;
    std::ofstream out(all, std::ios::app);
    for (const std::string& line : Requests()) out << line << "\n";
  }

  void Start() {
    int to[2], from[2];
    ASSERT_EQ(pipe(to), 0);
    ASSERT_EQ(pipe(from), 0);
    const std::string script = directory_ + "/script", record = directory_ + "/record";
    pid_ = fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      dup2(to[0], 0);
      dup2(from[1], 1);
      for (int fd : {to[0], to[1], from[0], from[1]}) close(fd);
      std::vector<std::string> words = {"perl",     MEND_STAND_IN, "--script",     script,
                                        "--record", record,        "--with-parent"};
      words.insert(words.end(), options_.begin(), options_.end());
      std::vector<char*> arguments;
      for (std::string& word : words) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      execv("/usr/bin/perl", arguments.data());
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    stdin_ = to[1];
    FILE* output = fdopen(from[0], "r");
    ASSERT_EQ(fscanf(output, "%d", &port_), 1) << "the stand-in does not start";
    fclose(output);
  }

  std::vector<std::string> options_;
  std::string directory_;
  pid_t pid_ = -1;
  int stdin_ = -1;
  int port_ = 0;
};

}  // namespace mend::test
