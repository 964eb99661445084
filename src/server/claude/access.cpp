#include "server/claude/access.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/base/hash.h"
#include "server/pg/call.h"
#include "server/pg/settings.h"

namespace mend::claude {
namespace {

using plan::claude::Credential;

constexpr size_t kMaxKeyBytes = 4096;

std::string Trim(std::string_view text) {
  const char* blanks = " \t\r\n";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return std::string(text.substr(first, text.find_last_not_of(blanks) - first + 1));
}

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value != nullptr ? Trim(value) : std::string();
}

// What may stand in an HTTP header without ending it.
bool IsPrintable(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c >= 0x7F) {
      return false;
    }
  }
  return true;
}

class File {
 public:
  // Without O_NONBLOCK opening a pipe would wait for its writer.
  explicit File(const char* path)
      : fd_(open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)), error_(errno) {}
  ~File() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool opened() const { return fd_ >= 0; }
  std::string WhyNot() const {
    return error_ == ELOOP ? "it is a symbolic link"
                           : std::string("it cannot be opened: ") + std::strerror(error_);
  }
  bool Status(struct stat* status) const { return fstat(fd_, status) == 0; }
  // At most `limit` bytes; false when it cannot be read.
  bool Read(size_t limit, std::string* out) const {
    char buffer[1024];
    while (out->size() < limit) {
      const ssize_t count = read(fd_, buffer, std::min(sizeof(buffer), limit - out->size()));
      if (count < 0 && errno == EINTR) {
        continue;
      }
      if (count <= 0) {
        return count == 0;
      }
      out->append(buffer, static_cast<size_t>(count));
    }
    return true;
  }

 private:
  int fd_;
  int error_;
};

std::string Octal(mode_t mode) {
  std::string out;
  for (int shift = 9; shift >= 0; shift -= 3) {
    out += static_cast<char>('0' + ((mode >> shift) & 7));
  }
  return out;
}

std::string WhyUnfit(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) {
    return "it is no regular file";
  }
  if (status.st_uid != geteuid()) {
    return "it does not belong to the user whom the server runs as";
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return "its mode is " + Octal(status.st_mode & 07777) +
           ": others than its owner may use it, and it must be 0600 or stricter";
  }
  if (status.st_size > static_cast<off_t>(kMaxKeyBytes)) {
    return "it is longer than " + std::to_string(kMaxKeyBytes) + " bytes";
  }
  return {};
}

std::string WhyNoKey(const std::string& key) {
  if (key.empty()) {
    return "it is empty";
  }
  return IsPrintable(key) ? ""
                          : "it holds more than one line or word, or characters that no key has";
}

}  // namespace

bool ReadKeyFile(const char* path, std::string* key, std::string* mark, std::string* fault) {
  const File file(path);
  struct stat status;
  if (!file.opened() || !file.Status(&status)) {
    *fault = file.WhyNot();
    return false;
  }
  *mark = std::to_string(status.st_ino) + "." + std::to_string(status.st_mtim.tv_sec) + "." +
          std::to_string(status.st_mtim.tv_nsec) + "." + std::to_string(status.st_size) + "." +
          std::to_string(status.st_mode);
  *fault = WhyUnfit(status);
  std::string text;
  if (fault->empty() && !file.Read(kMaxKeyBytes, &text)) {
    *fault = "it cannot be read";
  }
  if (fault->empty()) {
    *key = Trim(text);
    *fault = WhyNoKey(*key);
  }
  return fault->empty();
}

Access LoadAccess() {
  Access access;
  std::string mark;
  if (*pg::api_key_file != '\0') {
    std::string fault;
    const bool read = ReadKeyFile(pg::api_key_file, &access.credential.secret, &mark, &fault);
    access.state = read ? Access::State::Ready : Access::State::Unusable;
    if (!read) {
      access.fault = "mend.api_key_file cannot be used: " + fault;
    }
  } else {
    std::string key = Environment("ANTHROPIC_API_KEY");
    if (key.empty()) {
      key = Environment("ANTHROPIC_AUTH_TOKEN");
      access.credential.kind = Credential::Kind::Bearer;
    }
    if (!key.empty()) {
      access.state = IsPrintable(key) ? Access::State::Ready : Access::State::Unusable;
      access.fault = IsPrintable(key)
                         ? ""
                         : "the key in the server's environment holds characters that no key has";
    }
    access.credential.secret = std::move(key);
    mark = std::to_string(PgStartTime);  // an environment changes with the server alone
  }
  access.base = Trim(pg::api_url);
  if (access.base.empty()) {
    access.base = Environment("ANTHROPIC_BASE_URL");
  }
  if (access.base.empty()) {
    access.base = plan::claude::kDefaultBase;
  }
  access.config = base::Hash()
                      .Add(access.base)
                      .Add(pg::api_key_file)
                      .Add(mark)
                      .Add(pg::model)
                      .Add(pg::escalation_model)
                      .Hex();
  return access;
}

}  // namespace mend::claude
