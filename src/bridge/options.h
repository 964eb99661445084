// What mend-mcp was started with.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace mend::bridge {

struct Options {
  std::string target;  // a database's name, a connection string or a URI; empty: libpq's defaults
  std::string http;    // HOST:PORT; empty: stdio
  std::string token;   // that HTTP clients must show; empty: none
  std::vector<std::string> hosts;  // names by which HTTP clients may reach us, besides loopback's
  std::chrono::seconds statement_timeout{30};
  std::chrono::seconds lock_timeout{3};
  size_t connections = 4;  // of HTTP; stdio has one
};

// Ends the process after --help and --version, and with status 2 when something is wrong.
Options ReadOptions(int count, char** arguments);

}  // namespace mend::bridge
