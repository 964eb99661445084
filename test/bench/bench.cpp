// Measures pg_mend beside what it would replace: every method once in each round, medians of the
// rounds, and the CPU that the server's processes took a row, which is steadier than the clock. See
// test/bench/run.
#include <libpq-fe.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

int rounds = 5;
int rows_a_sample = 60000;
std::string only;

std::string Format(const char* format, ...) {
  char text[4096];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

[[noreturn]] void Die(const std::string& what) {
  fprintf(stderr, "bench: %s\n", what.c_str());
  exit(1);
}

class Connection {
 public:
  Connection() : connection_(PQconnectdb("")) {
    if (PQstatus(connection_) != CONNECTION_OK) Die(PQerrorMessage(connection_));
    Run("SET client_min_messages = warning");
    pid_ = PQbackendPID(connection_);
  }
  ~Connection() { PQfinish(connection_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Run(const std::string& sql) { Check(PQexec(connection_, sql.c_str()), sql); }
  std::string Value(const std::string& sql) {
    PGresult* result = PQexec(connection_, sql.c_str());
    if (PQresultStatus(result) != PGRES_TUPLES_OK) Die(sql + ": " + PQerrorMessage(connection_));
    std::string value = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    PQclear(result);
    return value;
  }
  void Prepare(const char* name, const std::string& sql) {
    Check(PQprepare(connection_, name, sql.c_str(), 0, nullptr), sql);
  }
  void Execute(const char* name, const std::vector<const char*>& values) {
    Check(PQexecPrepared(connection_, name, static_cast<int>(values.size()), values.data(), nullptr,
                         nullptr, 0),
          name);
  }
  bool Try(const char* name, const std::vector<const char*>& values) {
    PGresult* result = PQexecPrepared(connection_, name, static_cast<int>(values.size()),
                                      values.data(), nullptr, nullptr, 0);
    const ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
  }
  void Copy(const std::string& sql, const std::string& data) {
    PGresult* begun = PQexec(connection_, sql.c_str());
    if (PQresultStatus(begun) != PGRES_COPY_IN) Die(sql + ": " + PQerrorMessage(connection_));
    PQclear(begun);
    PQputCopyData(connection_, data.data(), static_cast<int>(data.size()));
    PQputCopyEnd(connection_, nullptr);
    Check(PQgetResult(connection_), sql);
    PQclear(PQgetResult(connection_));
  }
  // One COPY of so many pieces, which come from the beginning again.
  void CopyCalls(const std::string& sql, const std::vector<std::string>& pieces, int count) {
    PGresult* begun = PQexec(connection_, sql.c_str());
    if (PQresultStatus(begun) != PGRES_COPY_IN) Die(sql + ": " + PQerrorMessage(connection_));
    PQclear(begun);
    for (int i = 0; i < count; ++i) {
      const std::string& piece = pieces[static_cast<size_t>(i) % pieces.size()];
      PQputCopyData(connection_, piece.data(), static_cast<int>(piece.size()));
    }
    PQputCopyEnd(connection_, nullptr);
    Check(PQgetResult(connection_), sql);
    PQclear(PQgetResult(connection_));
  }
  int pid() const { return pid_; }

 private:
  void Check(PGresult* result, const std::string& sql) {
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
      Die(sql + ": " + PQerrorMessage(connection_));
    PQclear(result);
  }
  PGconn* connection_;
  int pid_ = 0;
};

// Seconds of CPU that a local server process has had; 0 where it cannot be read.
double CpuOf(int pid) {
  std::ifstream exact("/proc/" + std::to_string(pid) + "/schedstat");  // in nanoseconds
  double nanoseconds = 0;
  if (exact >> nanoseconds && nanoseconds > 0) return nanoseconds / 1e9;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  long user = 0, system = 0;
  if (sscanf(line.c_str() + name_end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld",
             &user, &system) != 2)
    return 0;
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

long MemoryOf(int pid, const char* field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.compare(0, strlen(field), field) == 0) return atol(line.c_str() + strlen(field) + 1);
  }
  return 0;
}

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values.size() % 2 ? values[values.size() / 2]
                           : (values[values.size() / 2 - 1] + values[values.size() / 2]) / 2;
}

// One order as JSON, as a line of COPY, and as parameters. `bad` rows bring a quantity that is no
// number.
struct Order {
  std::string json, copy;
  std::vector<std::string> parameters;
};

Order MakeOrder(int i, bool bad) {
  static const char* cities[] = {
      "K\xC3\xB8"
      "benhavn",
      "S\xC3\xA3o Paulo", "M\xC3\xBCnchen", "\xE6\x9D\xB1\xE4\xBA\xAC", "Lyon"};
  const unsigned hash = static_cast<unsigned>(i) * 2654435761u;
  const std::string quantity = bad ? "many" : std::to_string(hash % 90 + 1);
  const std::string customer = Format("customer %u of the %u. order", hash % 100000, i);
  const std::string amount = Format("%u.%02u", hash % 9000, hash % 100);
  const std::string placed =
      Format("2026-%02u-%02uT%02u:%02u:%02u.%03uZ", hash % 12 + 1, hash % 28 + 1, hash % 24,
             hash % 60, hash / 7 % 60, hash % 1000);
  const std::string token =
      Format("%08x-%04x-4%03x-8%03x-%012x", hash, hash & 0xffff, hash >> 20, hash & 0xfff, hash);
  const std::string meta = Format(
      "{\"source\": \"web\", \"campaign\": {\"id\": %u, \"name\": \"spring %u\"}, \"flags\": "
      "[true, false, %u], \"score\": %u.%u}",
      hash % 1000, hash % 50, hash % 7, hash % 10, hash % 10);
  const std::string ship = Format("2026-%02u-%02u", hash % 12 + 1, hash % 28 + 1);
  const std::string weight = Format("%u.%03u", hash % 50, hash % 1000);
  const std::string city = cities[hash % 5];
  const std::string tag_a = Format("tag%u", hash % 40), tag_b = Format("group %u", hash % 9);
  Order order;
  order.parameters = {std::to_string(i),
                      quantity,
                      customer,
                      amount,
                      placed,
                      hash % 2 ? "true" : "false",
                      token,
                      meta,
                      ship,
                      weight,
                      city,
                      "{" + tag_a + ",\"" + tag_b + "\"}"};
  order.json = "{\"id\": " + std::to_string(i) +
               ", \"qty\": " + (bad ? "\"" + quantity + "\"" : quantity) + ", \"customer\": \"" +
               customer + "\", \"amount\": " + amount + ", \"placed\": \"" + placed +
               "\", \"paid\": " + order.parameters[5] + ", \"token\": \"" + token +
               "\", \"meta\": " + meta + ", \"ship_on\": \"" + ship + "\", \"weight\": " + weight +
               ", \"city\": \"" + city + "\", \"tags\": [\"" + tag_a + "\", \"" + tag_b + "\"]}";
  for (const std::string& parameter : order.parameters) {
    order.copy += order.copy.empty() ? "" : "\t";
    order.copy += parameter;
  }
  order.copy += '\n';
  return order;
}

const std::vector<Order>& Orders() {
  static const std::vector<Order>& orders = *[] {
    auto* made = new std::vector<Order>();
    for (int i = 0; i < 100000; ++i) made->push_back(MakeOrder(i, false));
    return made;
  }();
  return orders;
}

enum class As { Ndjson, Array, Copy };

// Calls of `size` orders each, `bad` of a thousand spoilt.
std::vector<std::string> Calls(As form, int size, int total, int bad_of_thousand = 0) {
  std::vector<std::string> calls;
  for (int first = 0; first < total; first += size) {
    std::string call = form == As::Array ? "[" : "";
    for (int i = first; i < std::min(first + size, total); ++i) {
      const bool bad = bad_of_thousand > 0 && (i * 7919) % 1000 < bad_of_thousand;
      const Order spoilt = bad ? MakeOrder(i, true) : Order();
      const Order& order = bad ? spoilt : Orders()[static_cast<size_t>(i) % Orders().size()];
      if (form == As::Copy) {
        call += order.copy;
      } else {
        call += form == As::Array && i > first ? "," : "";
        call += order.json;
        call += form == As::Array ? "" : "\n";
      }
    }
    calls.push_back(call + (form == As::Array ? "]" : ""));
  }
  return calls;
}

struct Sample {
  double rows = 0, seconds = 0, cpu = 0, wal = 0;
  double extra = 0;  // what the group says it is
};

struct Method {
  std::string name;
  std::function<Sample()> run;
};

struct Summary {
  double rate = 0, cpu_us = 0, wal = 0, extra = 0;
  std::vector<double> rates, cpus;
};

std::map<std::string, Summary> Measure(const std::vector<Method>& methods) {
  std::map<std::string, std::vector<Sample>> samples;
  for (int round = 0; round <= rounds; ++round) {
    for (size_t i = 0; i < methods.size(); ++i) {
      const Method& method = methods[(i + static_cast<size_t>(round)) % methods.size()];
      const Sample sample = method.run();
      if (round > 0) samples[method.name].push_back(sample);  // the first round warms up
    }
  }
  std::map<std::string, Summary> summaries;
  for (const auto& [name, list] : samples) {
    Summary& summary = summaries[name];
    std::vector<double> wals, extras;
    for (const Sample& sample : list) {
      summary.rates.push_back(sample.rows / sample.seconds);
      summary.cpus.push_back(sample.cpu / sample.rows * 1e6);
      wals.push_back(sample.wal / sample.rows);
      extras.push_back(sample.extra);
    }
    summary.rate = Median(summary.rates);
    summary.cpu_us = Median(summary.cpus);
    summary.wal = Median(wals);
    summary.extra = Median(extras);
  }
  return summaries;
}

std::string Clean() {
  return "TRUNCATE bench.orders, bench.keyed, bench.dba_queue, bench.staging, mend.queue, "
         "mend.dead_letters";
}

// Runs `work` on `connection` between two looks at clock, CPU and WAL.
Sample Timed(Connection* connection, double rows, const std::function<void()>& work) {
  connection->Run(Clean());
  connection->Run("CHECKPOINT");
  const std::string before = connection->Value("SELECT pg_current_wal_insert_lsn()");
  Sample sample;
  const double cpu = CpuOf(connection->pid());
  const double start = Now();
  work();
  sample.seconds = Now() - start;
  sample.cpu = CpuOf(connection->pid()) - cpu;
  sample.wal = atof(
      connection->Value("SELECT pg_current_wal_insert_lsn() - '" + before + "'::pg_lsn").c_str());
  sample.rows = rows;
  return sample;
}

Method Prepared(const std::string& name, Connection* connection, const std::string& sql,
                const std::vector<std::string>* calls, double rows) {
  connection->Prepare(name.c_str(), sql);
  return {name, [=] {
            return Timed(connection, rows, [=] {
              for (const std::string& call : *calls)
                connection->Execute(name.c_str(), {call.c_str()});
            });
          }};
}

Method Copied(const std::string& name, Connection* connection, const std::string& sql,
              const std::vector<std::string>* calls, double rows) {
  return {name, [=] {
            return Timed(connection, rows, [=] {
              for (const std::string& call : *calls) connection->Copy(sql, call);
            });
          }};
}

void Row(const std::string& what, const std::string& against, const Summary& a, const Summary& b,
         const char* must, const char* aim) {
  std::vector<double> paired, cpus;
  for (size_t i = 0; i < std::min(a.rates.size(), b.rates.size()); ++i) {
    paired.push_back(a.rates[i] / b.rates[i]);
    if (b.cpus[i] > 0) cpus.push_back(a.cpus[i] / b.cpus[i]);
  }
  printf("| %s | %s | %.2fx | %s | %s | %.0f | %.0f | %.2f | %.2f | %.2fx |\n", what.c_str(),
         against.c_str(), Median(paired), must, aim, a.rate, b.rate, a.cpu_us, b.cpu_us,
         Median(cpus));
  fflush(stdout);
}

void Head() {
  printf(
      "| what | against | ratio | must | aim | rows/s | theirs | CPU us/row | theirs | CPU ratio "
      "|\n|---|---|---|---|---|---|---|---|---|---|\n");
}

constexpr char kRecordset[] =
    "INSERT INTO bench.orders SELECT * FROM jsonb_populate_recordset(NULL::bench.orders, "
    "$1::jsonb)";
constexpr char kCopy[] = "COPY bench.orders FROM STDIN";

// For a profiler: nothing but one method, over and over.
void OnlyLoad() {
  Connection connection;
  const auto ndjson = Calls(As::Ndjson, 1000, rows_a_sample);
  auto results =
      Measure({Prepared("load", &connection, "SELECT * FROM healing_load('bench.orders', $1::text)",
                        &ndjson, rows_a_sample)});
  Row("`healing_load(text)`", "itself", results["load"], results["load"], "", "");
}

void LoadGroup() {
  Connection connection;
  const int total = rows_a_sample;
  const auto ndjson = Calls(As::Ndjson, 1000, total), array = Calls(As::Array, 1000, total),
             copy = Calls(As::Copy, 1000, total);
  auto results = Measure({
      Prepared("load", &connection, "SELECT * FROM healing_load('bench.orders', $1::text)", &ndjson,
               total),
      Copied("copy", &connection, kCopy, &copy, total),
      Prepared("recordset", &connection, kRecordset, &array, total),
      Prepared("load_jsonb", &connection, "SELECT * FROM healing_load('bench.orders', $1::jsonb)",
               &array, total),
      Prepared("load_array", &connection, "SELECT * FROM healing_load('bench.orders', $1::text)",
               &array, total),
  });
  Row("`healing_load(text)`, 1,000 a call", "COPY text", results["load"], results["copy"], "1.3x",
      "1.7x");
  Row("", "`jsonb_populate_recordset`", results["load"], results["recordset"], "2.5x", "3.3x");
  Row("`healing_load(text)`, one array, 1,000 a call", "COPY text", results["load_array"],
      results["copy"], "", "");
  Row("`healing_load(jsonb)`", "`jsonb_populate_recordset`", results["load_jsonb"],
      results["recordset"], "1.2x", "1.3x");
  printf(
      "| WAL bytes a row | `jsonb_populate_recordset` | %.3fx | 0.92x | 0.885x | %.0f | %.0f | | | "
      "|\n",
      results["load"].wal / results["recordset"].wal, results["load"].wal,
      results["recordset"].wal);
  fflush(stdout);
}

// Many rows a call: what PostgreSQL itself takes for so long a parameter is measured beside it.
void BigGroup() {
  Connection connection;
  const int total = 100000;
  const auto copy = Calls(As::Copy, total, total);
  constexpr char kLoad[] = "SELECT * FROM healing_load('bench.orders', $1::text)";
  const auto small = Calls(As::Ndjson, 1000, total), big = Calls(As::Ndjson, total, total),
             less = Calls(As::Ndjson, 60000, 60000);
  auto results = Measure({
      Prepared("small", &connection, kLoad, &small, total),
      Prepared("less", &connection, kLoad, &less, 60000),
      Prepared("load", &connection, kLoad, &big, total),
      Prepared("parameter", &connection, "SELECT octet_length($1::text)", &big, total),
      Copied("copy", &connection, kCopy, &copy, total),
  });
  Row("`healing_load(text)`, 100,000 a call", "COPY text", results["load"], results["copy"], "1.0x",
      "1.2x");
  Row("", "1,000 a call", results["load"], results["small"], "", "");
  Row("", "a statement that takes the same parameter and does nothing", results["load"],
      results["parameter"], "", "");
  Row("`healing_load(text)`, 60,000 a call", "1,000 a call", results["less"], results["small"], "",
      "");
}

void KeyedGroup() {
  Connection connection;
  const int total = rows_a_sample;
  const auto ndjson = Calls(As::Ndjson, 1000, total), copy = Calls(As::Copy, 1000, total);
  auto results = Measure({
      Prepared("load", &connection, "SELECT * FROM healing_load('bench.keyed', $1::text)", &ndjson,
               total),
      Copied("copy", &connection, "COPY bench.keyed FROM STDIN", &copy, total),
  });
  Row("`healing_load(text)`, primary key", "COPY text", results["load"], results["copy"], "", "");
}

void BadGroup() {
  Connection connection;
  const int total = rows_a_sample;
  const auto good = Calls(As::Ndjson, 1000, total), one = Calls(As::Ndjson, 1000, total, 10),
             ten = Calls(As::Ndjson, 1000, total, 100);
  const auto ten_array = Calls(As::Array, 1000, total, 100);
  auto results = Measure({
      Prepared("good", &connection, "SELECT * FROM healing_load('bench.orders', $1::text)", &good,
               total),
      Prepared("one", &connection, "SELECT * FROM healing_load('bench.orders', $1::text)", &one,
               total),
      Prepared("ten", &connection, "SELECT * FROM healing_load('bench.orders', $1::text)", &ten,
               total),
      Prepared("dba", &connection, "SELECT bench.dba_load($1::jsonb)", &ten_array, total),
  });
  Row("1% bad rows, queued", "itself without", results["one"], results["good"], "0.85x", "0.9x");
  Row("10% bad rows", "a DBA's row loop with EXCEPTION", results["ten"], results["dba"], "3x",
      "4x");
}

// `clients` sessions, each `rows / clients` calls in transactions of `chunk` (0: autocommit).
Sample Concurrently(int clients, int rows, int chunk, const std::string& sql, bool typed,
                    bool bad = false) {
  Connection control;
  control.Run(Clean());
  control.Run("CHECKPOINT");
  std::vector<std::unique_ptr<Connection>> connections;
  for (int i = 0; i < clients; ++i) {
    connections.push_back(std::make_unique<Connection>());
    connections.back()->Prepare("one", sql);
    connections.back()->Run("SET synchronous_commit = off");
  }
  static const std::vector<Order>& spoilt = *[] {
    auto* made = new std::vector<Order>();
    for (int i = 0; i < 1000; ++i) made->push_back(MakeOrder(i, true));
    return made;
  }();
  Sample sample;
  double cpu = 0;
  const auto one = [&](Connection* connection, int i) {
    const Order& order = bad ? spoilt[static_cast<size_t>(i) % spoilt.size()]
                             : Orders()[static_cast<size_t>(i) % Orders().size()];
    if (!typed) return connection->Execute("one", {order.json.c_str()});
    std::vector<const char*> values;
    for (const std::string& value : order.parameters) values.push_back(value.c_str());
    connection->Execute("one", values);
  };
  for (auto& connection : connections) {
    for (int i = 0; i < 20; ++i) one(connection.get(), i);
    cpu -= CpuOf(connection->pid());
  }
  std::vector<std::thread> threads;
  const double start = Now();
  for (int c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] {
      Connection* connection = connections[static_cast<size_t>(c)].get();
      for (int i = 0; i < rows / clients; ++i) {
        if (chunk > 0 && i % chunk == 0) connection->Run("BEGIN");
        one(connection, c * (rows / clients) + i);
        if (chunk > 0 && (i % chunk == chunk - 1 || i + 1 == rows / clients))
          connection->Run("COMMIT");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  sample.seconds = Now() - start;
  for (auto& connection : connections) cpu += CpuOf(connection->pid());
  sample.cpu = cpu;
  sample.rows = rows / clients * clients;
  return sample;
}

// What healing_insert replaces takes the table as it does, too.
constexpr char kDbaAnyTable[] = "SELECT bench.dba_insert_any('bench.orders', $1::jsonb)";
constexpr char kDbaOneTable[] = "SELECT bench.dba_insert($1::jsonb)";

void SingleGroup() {
  const char* typed =
      "INSERT INTO bench.orders VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
  const char* healing = "SELECT healing_insert('bench.orders', $1::text)";
  const int n = std::max(8000, rows_a_sample / 2);
  auto eight = Measure({{"healing", [=] { return Concurrently(8, n, 0, healing, false); }},
                        {"typed", [=] { return Concurrently(8, n, 0, typed, true); }},
                        {"any", [=] { return Concurrently(8, n, 0, kDbaAnyTable, false); }},
                        {"one", [=] { return Concurrently(8, n, 0, kDbaOneTable, false); }}});
  Row("`healing_insert(text)`, prepared, 8 clients", "typed parameterised INSERT", eight["healing"],
      eight["typed"], "0.9x", "1.0x");
  Row("", "a DBA's function with unknown-key check", eight["healing"], eight["any"], "2.5x",
      "3.4x");
  Row("", "the same, written for this one table", eight["healing"], eight["one"], "", "");
  auto two = Measure({{"healing", [=] { return Concurrently(2, n, 1000, healing, false); }},
                      {"typed", [=] { return Concurrently(2, n, 1000, typed, true); }},
                      {"any", [=] { return Concurrently(2, n, 1000, kDbaAnyTable, false); }},
                      {"one", [=] { return Concurrently(2, n, 1000, kDbaOneTable, false); }}});
  Row("`healing_insert(text)`, 1,000 a transaction, 2 clients", "typed parameterised INSERT",
      two["healing"], two["typed"], "0.9x", "1.0x");
  Row("", "a DBA's function with unknown-key check", two["healing"], two["any"], "2.5x", "3.4x");
  Row("", "the same, written for this one table", two["healing"], two["one"], "", "");
}

// Two readers count the rows of an open transaction's table while a writer offers `calls` rows in
// it.
Sample Readers(const std::string& sql, bool typed, int calls) {
  Connection writer, control, later;
  control.Run(Clean());
  writer.Prepare("one", sql);
  writer.Run("BEGIN");
  for (int i = 0; i < calls; ++i) {
    const Order& order = Orders()[static_cast<size_t>(i)];
    std::vector<const char*> values;
    if (typed) {
      for (const std::string& value : order.parameters) values.push_back(value.c_str());
    } else {
      values.push_back(order.json.c_str());
    }
    writer.Execute("one", values);
  }
  later.Run("SELECT pg_current_xact_id()");  // a later transaction has committed
  std::atomic<long> queries{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      Connection reader;
      reader.Prepare("count", "SELECT count(*) FROM bench.orders");
      while (!stop) {
        reader.Execute("count", {});
        ++queries;
      }
    });
  }
  const double start = Now();
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  stop = true;
  for (std::thread& reader : readers) reader.join();
  Sample sample;
  sample.seconds = Now() - start;
  sample.rows = static_cast<double>(queries);
  writer.Run("ROLLBACK");
  return sample;
}

void QueueGroup() {
  const char* healing = "SELECT healing_insert('bench.orders', $1::text)";
  const int n = std::max(4000, rows_a_sample / 4);
  auto queued =
      Measure({{"healing", [=] { return Concurrently(2, n, 0, healing, false, true); }},
               {"any", [=] { return Concurrently(2, n, 0, kDbaAnyTable, false, true); }},
               {"one", [=] { return Concurrently(2, n, 0, kDbaOneTable, false, true); }}});
  Row("a bad row queued", "the DBA's function queueing it", queued["healing"], queued["any"],
      "1.2x", "1.5x");
  Row("", "the same, written for this one table", queued["healing"], queued["one"], "", "");
}

void ReadersGroup() {
  const char* typed =
      "INSERT INTO bench.orders VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
  auto results = Measure(
      {{"healing",
        [=] { return Readers("SELECT healing_insert('bench.orders', $1::text)", false, 1000); }},
       {"typed", [=] { return Readers(typed, true, 1000); }}});
  Row("1,000 `healing_insert` in a transaction: two readers", "the readers beside plain INSERTs",
      results["healing"], results["typed"], "0.9x", "1.0x");
}

// Rows that fit, so many a second, each its own transaction, until `done`. How long the slowest
// took.
double Load(const std::atomic<bool>* done, int a_second) {
  Connection connection;
  connection.Prepare("fits", "SELECT healing_insert('bench.heals', $1::text)");
  double slowest = 0;
  const double start = Now();
  for (long i = 1; !*done; ++i) {
    const double due = start + static_cast<double>(i) / a_second;
    while (Now() < due) std::this_thread::sleep_for(std::chrono::microseconds(200));
    const double begun = Now();
    connection.Execute("fits", {Format("{\"id\": %ld, \"qty\": 2}", -i).c_str()});
    slowest = std::max(slowest, Now() - begun);
  }
  return slowest;
}

// New fields beside a load of other rows: from the commit of the first payload that has one until
// its row can be read in the table. Adds what each took, in milliseconds; the slowest of the rows.
double FirstMisfitsOf(int a_second, std::vector<double>* waits) {
  constexpr int kEvents = 25;
  Connection offers, reads;
  offers.Run("DROP TABLE IF EXISTS bench.heals");
  offers.Run("CREATE TABLE bench.heals (id bigint PRIMARY KEY, qty int)");
  offers.Run("SELECT mend.enroll('bench.heals')");
  offers.Prepare("offer", "SELECT healing_insert('bench.heals', $1::text)");
  reads.Prepare("read", "SELECT 1 / count(*) FROM bench.heals WHERE id = $1");
  std::atomic<bool> done{false};
  double slowest = 0;
  std::thread load([&] {
    if (a_second > 0) slowest = Load(&done, a_second);
  });
  for (int i = 1; i <= kEvents; ++i) {
    // The worker of the last one is at rest, and has not gone.
    std::this_thread::sleep_for(std::chrono::milliseconds(50 + i * 7919 % 100));
    offers.Execute("offer", {Format("{\"id\": %d, \"qty\": 2, \"field_%d\": 3}", i, i).c_str()});
    const double committed = Now();
    while (!reads.Try("read", {std::to_string(i).c_str()})) {
      if (Now() - committed > 30) Die("a row is not stored within 30 seconds");
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    waits->push_back((Now() - committed) * 1000);
  }
  done = true;
  load.join();
  return slowest;
}

void FirstMisfits(int a_second) {
  std::vector<double> waits;
  double slowest = 0;
  for (int table = 0; table < 12; ++table) {
    slowest = std::max(slowest, FirstMisfitsOf(a_second, &waits));
  }
  std::sort(waits.begin(), waits.end());
  const auto at = [&](int percent) {
    return waits[(waits.size() - 1) * static_cast<size_t>(percent) / 100];
  };
  printf("| %d | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f |\n", a_second, at(50), at(75),
         at(90), at(95), at(99), at(100), slowest * 1000);
  fflush(stdout);
}

void DriftGroup() {
  Connection connection;
  connection.Run("LOAD 'pg_mend'");  // its settings are known to a session that has
  connection.Run("ALTER SYSTEM SET mend.patches_per_hour = 100000");
  connection.Run("ALTER SYSTEM SET mend.max_columns = 1600");
  connection.Run("SELECT pg_reload_conf()");
  printf(
      "\n| rows a second beside it | p50, ms | p75 | p90 | p95 | p99 | slowest | the slowest of "
      "those rows |\n"
      "|---|---|---|---|---|---|---|---|\n");
  for (const int a_second : {0, 100, 1000}) FirstMisfits(a_second);
  connection.Run("ALTER SYSTEM RESET mend.patches_per_hour");
  connection.Run("ALTER SYSTEM RESET mend.max_columns");
  connection.Run("SELECT pg_reload_conf()");
}

// The CPU that the database's workers have used so far.
double CpuOfWorkers(Connection* connection) {
  double cpu = 0;
  std::istringstream pids(connection->Value(
      "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE backend_type LIKE 'pg_mend%' "
      "AND datname = current_database()"));
  for (int pid; pids >> pid;) cpu += CpuOf(pid);
  return cpu;
}

// Queued rows, a field they all bring, one heal: replay beside loading the same rows.
void ReplayGroup(int total) {
  Connection connection;
  const auto ndjson = Calls(As::Ndjson, 1000, total);
  std::vector<double> replay, load, worker_us, load_us;
  const int times = total >= 1000000 ? 1 : rounds;
  for (int round = 0; round < times; ++round) {
    connection.Run(Clean());
    connection.Run("SELECT mend.unenroll('bench.orders')");
    connection.Run("ALTER TABLE bench.orders DROP COLUMN IF EXISTS tags");
    connection.Run("DELETE FROM mend.fields WHERE target = 'bench.orders'::regclass");
    // Else the column that was dropped above is never added again by itself.
    connection.Run("DELETE FROM mend.patches WHERE target = 'bench.orders'::regclass");
    connection.Run("SELECT mend.enroll('bench.orders', mode => 'paused')");
    connection.Prepare(Format("fill%d", round).c_str(),
                       "SELECT * FROM healing_load('bench.orders', $1::text)");
    for (const std::string& call : ndjson)
      connection.Execute(Format("fill%d", round).c_str(), {call.c_str()});
    double cpu = CpuOfWorkers(&connection);
    double start = Now();
    connection.Run("SELECT mend.configure('bench.orders', mode => 'auto')");
    connection.Run("CALL mend.wait_idle('bench.orders', '600 s')");
    replay.push_back(total / (Now() - start));
    worker_us.push_back((CpuOfWorkers(&connection) - cpu) * 1e6 / total);
    const long stored = atol(connection.Value("SELECT count(*) FROM bench.orders").c_str());
    if (stored != total) Die(Format("%ld of %d rows were replayed", stored, total));
    connection.Run("TRUNCATE bench.orders");
    cpu = CpuOf(connection.pid());
    start = Now();
    for (const std::string& call : ndjson)
      connection.Execute(Format("fill%d", round).c_str(), {call.c_str()});
    load.push_back(total / (Now() - start));
    load_us.push_back((CpuOf(connection.pid()) - cpu) * 1e6 / total);
  }
  printf(
      "| replay of %d queued rows after a heal | `healing_load` of the same rows | %.2fx | 0.5x | "
      "0.8x | %.0f | %.0f | %.2f | %.2f | %.2fx |\n",
      total, Median(replay) / Median(load), Median(replay), Median(load), Median(worker_us),
      Median(load_us), Median(worker_us) / Median(load_us));
  fflush(stdout);
}

void MemoryGroup() {
  printf(
      "\n| rows in one `healing_load` call | backend memory (RssAnon) after it, kB | peak, less "
      "the argument, kB |\n|---|---|---|\n");
  for (int total : {1000, 10000, 100000, 400000}) {
    Connection connection;
    connection.Run(Clean());
    const auto call = Calls(As::Ndjson, total, total);
    connection.Prepare("load", "SELECT * FROM healing_load('bench.orders', $1::text)");
    std::atomic<bool> done{false};
    long peak = 0;
    std::thread watch([&] {
      while (!done) {
        peak = std::max(peak, MemoryOf(connection.pid(), "RssAnon:"));
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    connection.Execute("load", {call[0].c_str()});
    done = true;
    watch.join();
    printf("| %d | %ld | %ld |\n", total, MemoryOf(connection.pid(), "RssAnon:"),
           peak - static_cast<long>(call[0].size() / 1024));
    fflush(stdout);
  }
}

void InboxGroup(int copy_rows) {
  Connection connection;
  const int total = rows_a_sample;
  const auto ndjson = Calls(As::Ndjson, 1000, total);
  if (connection.Value("SELECT to_regproc('mend.create_inbox') IS NOT NULL") != "t") return;
  if (connection.Value("SELECT to_regclass('bench.orders_inbox') IS NULL") == "t")
    connection.Run("SELECT mend.create_inbox('bench.orders')");
  const auto orders = Calls(As::Ndjson, 1000, static_cast<int>(Orders().size()));
  constexpr char kInbox[] =
      "COPY bench.orders_inbox FROM STDIN (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02')";
  auto whole = Measure({{"whole",
                         [&] {
                           return Timed(&connection, copy_rows, [&] {
                             connection.CopyCalls(kInbox, orders, copy_rows / 1000);
                           });
                         }},
                        Copied("inbox", &connection, kInbox, &ndjson, total)});
  Row(Format("one `COPY orders_inbox` of %d rows", copy_rows), "1,000 a COPY", whole["whole"],
      whole["inbox"], "", "");
  std::vector<Method> methods = {
      Copied("inbox", &connection, kInbox, &ndjson, total),
      {"staging",
       [&] {
         return Timed(&connection, total, [&] {
           for (const std::string& call : ndjson) {
             connection.Run("BEGIN");
             connection.Copy(
                 "COPY bench.staging FROM STDIN (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02')",
                 call);
             connection.Run(
                 "INSERT INTO bench.orders SELECT (jsonb_populate_record(NULL::bench.orders, "
                 "line::jsonb)).* FROM bench.staging");
             connection.Run("TRUNCATE bench.staging");
             connection.Run("COMMIT");
           }
         });
       }},
      {"lateral", [&] {
         return Timed(&connection, total, [&] {
           for (const std::string& call : ndjson) {
             connection.Run("BEGIN");
             connection.Copy(
                 "COPY bench.staging FROM STDIN (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02')",
                 call);
             connection.Run(
                 "INSERT INTO bench.orders SELECT r.* FROM bench.staging, "
                 "jsonb_populate_record(NULL::bench.orders, line::jsonb) r");
             connection.Run("TRUNCATE bench.staging");
             connection.Run("COMMIT");
           }
         });
       }}};
  auto results = Measure(methods);
  Row("`COPY orders_inbox`, 1,000 a COPY", "COPY to staging, then INSERT..SELECT", results["inbox"],
      results["staging"], "5x", "");
  Row("", "the same with LATERAL", results["inbox"], results["lateral"], "", "");
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> groups;
  int replay_rows = 1000000, copy_rows = 1000000;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.compare(0, 9, "--rounds=") == 0) {
      rounds = atoi(argument.c_str() + 9);
    } else if (argument.compare(0, 7, "--rows=") == 0) {
      rows_a_sample = atoi(argument.c_str() + 7);
    } else if (argument.compare(0, 14, "--replay-rows=") == 0) {
      replay_rows = atoi(argument.c_str() + 14);
    } else if (argument.compare(0, 12, "--copy-rows=") == 0) {
      copy_rows = atoi(argument.c_str() + 12);
    } else {
      groups.push_back(argument);
    }
  }
  const std::vector<std::pair<const char*, std::function<void()>>> all = {
      {"load", LoadGroup},
      {"big", BigGroup},
      {"keyed", KeyedGroup},
      {"bad", BadGroup},
      {"single", SingleGroup},
      {"queue", QueueGroup},
      {"readers", ReadersGroup},
      {"inbox", [&] { InboxGroup(copy_rows); }},
      {"replay", [&] { ReplayGroup(replay_rows); }},
      {"drift", DriftGroup}};
  const auto wanted = [&](const char* name) {
    return groups.empty() || std::find(groups.begin(), groups.end(), name) != groups.end();
  };
  Head();
  for (const auto& [name, run] : all) {
    if (wanted(name)) run();
  }
  if (wanted("memory")) MemoryGroup();
  if (!groups.empty() && wanted("only-load")) OnlyLoad();
  return 0;
}
