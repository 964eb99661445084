#include "server/claude/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace mend::claude {
namespace {

constexpr size_t kMaxKeyBytes = 16384;  // tokens of identity providers are some kilobytes long

std::string Trim(std::string_view text) {
  const char* blanks = " \t\r\n";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return std::string(text.substr(first, text.find_last_not_of(blanks) - first + 1));
}

class File {
 public:
  // Without O_NONBLOCK opening a pipe would wait for its writer.
  explicit File(const char* path)
      : fd_(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)), error_(errno) {}
  ~File() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool opened() const { return fd_ >= 0; }
  std::string WhyNot() const {
    return std::string("it cannot be opened: ") + std::strerror(error_);
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

std::string WhyUnfit(const struct stat& status, size_t max_bytes) {
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
  if (status.st_size > static_cast<off_t>(max_bytes)) {
    return "it is longer than " + std::to_string(max_bytes) + " bytes";
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

bool IsPrintable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

bool ReadSecretFile(const char* path, size_t max_bytes, std::string* text, std::string* mark,
                    std::string* fault) {
  const File file(path);
  struct stat status;
  if (!file.opened() || !file.Status(&status)) {
    *fault = file.WhyNot();
    return false;
  }
  *mark = std::to_string(status.st_ino) + "." + std::to_string(status.st_mtim.tv_sec) + "." +
          std::to_string(status.st_mtim.tv_nsec) + "." + std::to_string(status.st_size) + "." +
          std::to_string(status.st_mode);
  *fault = WhyUnfit(status, max_bytes);
  if (fault->empty() && !file.Read(max_bytes, text)) {
    *fault = "it cannot be read";
  }
  return fault->empty();
}

bool ReadKeyFile(const char* path, std::string* key, std::string* mark, std::string* fault) {
  std::string text;
  if (!ReadSecretFile(path, kMaxKeyBytes, &text, mark, fault)) {
    return false;
  }
  *key = Trim(text);
  *fault = WhyNoKey(*key);
  return fault->empty();
}

}  // namespace mend::claude
