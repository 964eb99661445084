#include "bridge/options.h"

#include <getopt.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "core/base/number.h"

#ifndef MEND_VERSION
#error "MEND_VERSION is set by the build"
#endif

namespace mend::bridge {
namespace {

constexpr char kUsage[] =
    "mend-mcp: lets MCP clients see the drift of pg_mend's landing tables, propose patches and\n"
    "dry-run them. A person approves, in SQL.\n"
    "\n"
    "  mend-mcp [OPTION ...] [CONNECTION]\n"
    "\n"
    "CONNECTION is a database's name, a connection string (\"service=mend\") or a URI, and is "
    "completed\n"
    "by libpq's usual ways: PGHOST, PGUSER, PGSERVICE, the password file. Give no password here:\n"
    "others see the arguments of a process. Log in as a role of your own that is in mend_agent.\n"
    "\n"
    "Speaks MCP on standard input and output, unless:\n"
    "  --http HOST:PORT           serve Streamable HTTP at http://HOST:PORT/mcp instead\n"
    "  --token-file FILE          what HTTP clients must send as Authorization: Bearer; or set\n"
    "                             MEND_MCP_TOKEN. Needed on any address that is not loopback\n"
    "  --allow-host NAME          a further name by which clients reach it (Host, Origin)\n"
    "  --connections N            connections to the database at most (default 4)\n"
    "\n"
    "  --statement-timeout SECONDS  (default 30)\n"
    "  --lock-timeout SECONDS       (default 3)\n"
    "  --help, --version\n";

[[noreturn]] void Fail(const std::string& why) {
  std::fprintf(stderr, "mend-mcp: %s\nTry mend-mcp --help.\n", why.c_str());
  std::exit(2);
}

int64_t Number(const char* text, const char* option, int64_t most) {
  int64_t number = 0;
  if (!base::ParseInteger(text, &number) || number < 1 || number > most) {
    Fail(std::string(option) + " must be a number from 1 to " + std::to_string(most));
  }
  return number;
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string ReadToken(const std::string& path) {
  std::ifstream file(path);
  std::string token;
  if (!file || !std::getline(file, token)) Fail("cannot read a token from " + path);
  return token;
}

void CheckToken(const std::string& token) {
  for (const char c : token) {
    if (c <= ' ' || c > '~') Fail("a token has printable ASCII characters only, and no blanks");
  }
  if (token.size() < 16) Fail("a token has 16 characters at least (try: openssl rand -hex 32)");
}

}  // namespace

Options ReadOptions(int count, char** arguments) {
  enum { kHttp = 1, kTokenFile, kHost, kConnections, kStatement, kLock, kHelp, kVersion };
  const option known[] = {{"http", required_argument, nullptr, kHttp},
                          {"token-file", required_argument, nullptr, kTokenFile},
                          {"allow-host", required_argument, nullptr, kHost},
                          {"connections", required_argument, nullptr, kConnections},
                          {"statement-timeout", required_argument, nullptr, kStatement},
                          {"lock-timeout", required_argument, nullptr, kLock},
                          {"help", no_argument, nullptr, kHelp},
                          {"version", no_argument, nullptr, kVersion},
                          {nullptr, 0, nullptr, 0}};
  Options options;
  bool has_token = false;
  if (const char* token = std::getenv("MEND_MCP_TOKEN")) {
    options.token = token;
    has_token = true;
  }
  for (int found; (found = getopt_long(count, arguments, "", known, nullptr)) != -1;) {
    switch (found) {
      case kHttp: options.http = optarg; break;
      case kTokenFile:
        options.token = ReadToken(optarg);
        has_token = true;
        break;
      case kHost: options.hosts.push_back(Lower(optarg)); break;
      case kConnections:
        options.connections = static_cast<size_t>(Number(optarg, "--connections", 64));
        break;
      case kStatement:
        options.statement_timeout =
            std::chrono::seconds(Number(optarg, "--statement-timeout", 3600));
        break;
      case kLock:
        options.lock_timeout = std::chrono::seconds(Number(optarg, "--lock-timeout", 3600));
        break;
      case kHelp: std::fputs(kUsage, stdout); std::exit(0);
      case kVersion: std::puts("mend-mcp " MEND_VERSION); std::exit(0);
      default: Fail("unknown option, or one that lacks its value");
    }
  }
  if (optind < count) options.target = arguments[optind++];
  if (optind < count) Fail("more than one CONNECTION");
  if (has_token) CheckToken(options.token);
  return options;
}

}  // namespace mend::bridge
