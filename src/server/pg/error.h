// A PostgreSQL error as a C++ exception, with every field that PostgreSQL reports.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "server/pg/postgres.h"

namespace mend::pg {

struct ErrorFields {
  int sqlerrcode = 0;  // ERRCODE_...
  std::string message;
  std::optional<std::string> detail, hint, context;
  std::optional<std::string> schema, table, column, datatype, constraint;
  int position = 0;      // character, from 1, in the text that was parsed; 0: none
  std::string function;  // the C function that raised it, e.g. "ExecWithCheckOptions"
};

class Error : public std::exception {
 public:
  explicit Error(ErrorFields fields) : fields_(std::make_shared<ErrorFields>(std::move(fields))) {}
  // An error of our own.
  Error(int sqlerrcode, std::string message, std::optional<std::string> hint = std::nullopt,
        std::optional<std::string> detail = std::nullopt);

  const char* what() const noexcept override { return fields_->message.c_str(); }
  const ErrorFields& fields() const { return *fields_; }
  int sqlerrcode() const { return fields_->sqlerrcode; }
  std::string sqlstate() const;
  // Class of the SQLSTATE, e.g. "23".
  bool IsClass(const char* two_characters) const;
  // Cancel, termination and out-of-memory: never to be swallowed.
  bool MustPropagate() const;

 private:
  std::shared_ptr<const ErrorFields> fields_;
};

// Whether an error that storing a row has met says nothing about the row, so that the caller must
// be told.
bool MustRaise(const Error& error);

// Of these, errors that are one row's own when it is replayed: an internal error of its trigger,
// for one. There is no caller to be told, and the rows behind it must not wait for ever.
bool IsRowsOwnInReplay(const Error& error);

// A copy of what PostgreSQL says of an error.
ErrorFields FieldsOf(const ErrorData* edata);

// Moves the error that PostgreSQL has just caught (a sigsetjmp has returned) into a value, and
// clears it. `context`: the memory context to go on in.
ErrorFields TakeError(MemoryContext context);

// Raises the error in PostgreSQL and frees `fields`; nullptr: out of memory. Call from a frame
// without destructors.
[[noreturn]] void Raise(ErrorFields* fields);

}  // namespace mend::pg
