// Files that hold secrets: keys, tokens, headers.
#pragma once

#include <string>

namespace mend::claude {

// Reads a file whole. It (or what a symbolic link leads to, as Kubernetes mounts secrets) must be a
// regular file, belong to the user whom the server runs as, be closed to everybody else (mode 0600
// or stricter), and be no longer than `max_bytes`. False: `fault` says what is wrong with it.
// `mark` changes when the file does.
bool ReadSecretFile(const char* path, size_t max_bytes, std::string* text, std::string* mark,
                    std::string* fault);

// The same of a file with one word on one line; white space around it is dropped.
bool ReadKeyFile(const char* path, std::string* key, std::string* mark, std::string* fault);

// What may stand in an HTTP header without ending it.
bool IsPrintable(const std::string& text);

}  // namespace mend::claude
