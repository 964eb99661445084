#include "server/citus/node_errors.h"

#include <algorithm>
#include <vector>

#include "server/citus/managed_table.h"
#include "server/citus/shards.h"
#include "server/pg/catalog.h"
#include "server/pg/spi.h"

namespace mend::citus {
namespace {

bool IsReport(const pg::Error& error) { return error.fields().function == "ReportResultError"; }

// Names that an error about a row may bring: of the table, its partitions, what refers to it and
// what it refers to, with their indexes and constraints.
std::vector<std::string> NamesAround(Oid relid) {
  const pg::Rows rows = pg::RunPrepared(
      "WITH RECURSIVE family AS ("
      "  SELECT $1 AS relid"
      "  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = "
      "f.relid),"
      " around AS ("
      "  SELECT relid FROM family"
      "  UNION SELECT c.confrelid FROM pg_catalog.pg_constraint c JOIN family f ON f.relid = "
      "c.conrelid"
      "        WHERE c.contype = 'f') "
      "SELECT c.relname FROM around a JOIN pg_catalog.pg_class c ON c.oid = a.relid "
      "UNION SELECT c.conname FROM around a JOIN pg_catalog.pg_constraint c ON c.conrelid = "
      "a.relid "
      "UNION SELECT c.relname FROM around a JOIN pg_catalog.pg_index i ON i.indrelid = a.relid"
      "      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid",
      {pg::ObjectId(relid)});
  std::vector<std::string> names;
  for (size_t row = 0; row < rows.size(); ++row) {
    names.push_back(rows.text(row, 0));
  }
  return names;
}

// The text with each quoted name of a shard's object replaced by that of the table's.
std::string Replace(const std::string& text, const std::vector<std::string>& names) {
  std::string out;
  size_t from = 0;
  while (true) {
    const size_t open = text.find('"', from);
    const size_t close = open == std::string::npos ? open : text.find('"', open + 1);
    if (close == std::string::npos) {
      return out + text.substr(from);
    }
    std::string name = text.substr(open + 1, close - open - 1);
    if (const int64_t number = ShardNumber(name)) {
      const auto found = std::find_if(names.begin(), names.end(), [&](const std::string& one) {
        return NameInShard(one, number) == name;
      });
      name = found != names.end() ? *found : name;
    }
    out += text.substr(from, open - from) + '"' + name + '"';
    from = close + 1;
  }
}

// The quoted names of a text, in order.
std::vector<std::string> QuotedNames(const std::string& text) {
  std::vector<std::string> names;
  size_t open = text.find('"');
  while (open != std::string::npos) {
    const size_t close = text.find('"', open + 1);
    if (close == std::string::npos) {
      break;
    }
    names.push_back(text.substr(open + 1, close - open - 1));
    open = text.find('"', close + 1);
  }
  return names;
}

bool HasCheck(Oid relid, const std::string& name) {
  return !pg::RunPrepared(
              "WITH RECURSIVE family AS ("
              "  SELECT $1 AS relid"
              "  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON "
              "i.inhparent = f.relid) "
              "SELECT FROM pg_catalog.pg_constraint c JOIN family f ON f.relid = c.conrelid "
              "WHERE c.contype = 'c' AND c.conname = $2 LIMIT 1",
              {pg::ObjectId(relid), pg::Text(name)})
              .empty();
}

bool IsAboutDistribution(const std::string& function) {
  return function == "BuildRoutesForInsert" || function == "ExtractInsertValuesList" ||
         function == "ShardIdForTuple" || function == "CitusCopyDestReceiverStartup";
}

std::string ColumnName(Oid relid, int16_t attnum) {
  return pg::Call([&] { return get_attname(relid, attnum, false); });
}

std::string TableName(Oid relid) {
  const char* name = pg::Call([&] { return get_rel_name(relid); });
  return name != nullptr ? name : "";
}

bool HasColumn(Oid relid, const std::string& name) {
  return pg::Call([&] { return get_attnum(relid, name.c_str()) > 0; });
}

}  // namespace

bool IsNodeFailure(const pg::Error& error) {
  const std::string& function = error.fields().function;
  switch (error.sqlerrcode()) {
    case ERRCODE_ACTIVE_SQL_TRANSACTION: return true;
    case ERRCODE_INTERNAL_ERROR:
      return function == "MarkRemoteTransactionFailed" ||
             function == "CheckRemoteTransactionsHealth";
    case ERRCODE_IO_ERROR: return function == "ReportCopyError";
    case ERRCODE_ADMIN_SHUTDOWN:
    case ERRCODE_CRASH_SHUTDOWN:
    case ERRCODE_CANNOT_CONNECT_NOW:
    case ERRCODE_READ_ONLY_SQL_TRANSACTION:
    case ERRCODE_TOO_MANY_CONNECTIONS: return IsReport(error);
    default: return error.IsClass("08");
  }
}

bool HasLostItsCode(const pg::Error& error) {
  return error.sqlerrcode() == ERRCODE_INTERNAL_ERROR &&
         error.fields().function == "ReportCopyError";
}

NodeFailure::NodeFailure(const pg::Error& error)
    : Error(ERRCODE_CONNECTION_FAILURE,
            "a node of Citus is not to be had: " + error.fields().message) {}

pg::Error InTermsOfTable(Oid relid, const pg::Error& error) {
  pg::ErrorFields fields = error.fields();
  const std::vector<std::string> names = NamesAround(relid);
  fields.message = Replace(fields.message, names);
  if (fields.detail) {
    fields.detail = Replace(*fields.detail, names);
  }
  // Citus refuses a row that no shard can be found for in words of its own.
  const int16_t distributed_by = FindManagedTable(relid).distribution_column;
  if (fields.sqlerrcode == ERRCODE_NULL_VALUE_NOT_ALLOWED && distributed_by != 0 &&
      IsAboutDistribution(fields.function)) {
    fields.sqlerrcode = ERRCODE_NOT_NULL_VIOLATION;
    fields.message = "null value in column \"" + ColumnName(relid, distributed_by) +
                     "\" of relation \"" + TableName(relid) + "\" violates not-null constraint";
  }
  // A node sends no fields but these, and says of functions nothing.
  const std::vector<std::string> quoted = QuotedNames(fields.message);
  switch (fields.sqlerrcode) {
    case ERRCODE_NOT_NULL_VIOLATION:
      if (!quoted.empty() && HasColumn(relid, quoted.front())) {
        fields.column = quoted.front();
        fields.table = TableName(relid);
      }
      break;
    case ERRCODE_CHECK_VIOLATION:
      if (IsReport(error) &&
          !std::any_of(quoted.begin(), quoted.end(),
                       [&](const std::string& name) { return HasCheck(relid, name); }) &&
          pg::Call([&] { return get_rel_relkind(relid); }) == RELKIND_PARTITIONED_TABLE) {
        fields.function = "ExecFindPartition";
      }
      break;
    case ERRCODE_INSUFFICIENT_PRIVILEGE:
      // That the role may insert was asked before; what is left is a policy's word on the row, or a
      // lack on the nodes alone.
      if (IsReport(error) &&
          fields.message.find("row-level security policy") != std::string::npos) {
        fields.function = "ExecWithCheckOptions";
      }
      break;
    default: break;
  }
  return pg::Error(std::move(fields));
}

}  // namespace mend::citus
