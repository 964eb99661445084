#include "server/pg/error.h"

namespace mend::pg {
namespace {

std::optional<std::string> Optional(const char* text) {
  if (text == nullptr) {
    return std::nullopt;
  }
  return std::string(text);
}

char* Copy(const std::optional<std::string>& text) {
  return text ? pstrdup(text->c_str()) : nullptr;
}

}  // namespace

Error::Error(int sqlerrcode, std::string message, std::optional<std::string> hint,
             std::optional<std::string> detail) {
  auto fields = std::make_shared<ErrorFields>();
  fields->sqlerrcode = sqlerrcode;
  fields->message = std::move(message);
  fields->hint = std::move(hint);
  fields->detail = std::move(detail);
  fields_ = std::move(fields);
}

std::string Error::sqlstate() const {
  std::string state(5, ' ');
  int code = fields_->sqlerrcode;
  for (char& c : state) {
    c = static_cast<char>(PGUNSIXBIT(code));
    code >>= 6;
  }
  return state;
}

bool Error::IsClass(const char* two_characters) const {
  return sqlstate().compare(0, 2, two_characters) == 0;
}

bool Error::MustPropagate() const {
  return sqlerrcode() == ERRCODE_QUERY_CANCELED || sqlerrcode() == ERRCODE_OUT_OF_MEMORY ||
         sqlerrcode() == ERRCODE_ADMIN_SHUTDOWN || sqlerrcode() == ERRCODE_CRASH_SHUTDOWN;
}

ErrorFields FieldsOf(const ErrorData* edata) {
  ErrorFields fields;
  fields.sqlerrcode = edata->sqlerrcode;
  fields.message = edata->message != nullptr ? edata->message : "";
  fields.detail = Optional(edata->detail);
  fields.hint = Optional(edata->hint);
  fields.context = Optional(edata->context);
  fields.schema = Optional(edata->schema_name);
  fields.table = Optional(edata->table_name);
  fields.column = Optional(edata->column_name);
  fields.datatype = Optional(edata->datatype_name);
  fields.constraint = Optional(edata->constraint_name);
  fields.position = edata->cursorpos;
  fields.function = edata->funcname != nullptr ? edata->funcname : "";
  return fields;
}

ErrorFields TakeError(MemoryContext context) {
  MemoryContextSwitchTo(context);
  ErrorData* edata = CopyErrorData();
  FlushErrorState();
  ErrorFields fields = FieldsOf(edata);
  FreeErrorData(edata);
  return fields;
}

void Raise(ErrorFields* fields) {
  if (fields == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  }
  ErrorData edata;
  memset(&edata, 0, sizeof(edata));
  edata.elevel = ERROR;
  edata.sqlerrcode = fields->sqlerrcode;
  edata.message = pstrdup(fields->message.c_str());
  edata.detail = Copy(fields->detail);
  edata.hint = Copy(fields->hint);
  edata.context = Copy(fields->context);
  edata.schema_name = Copy(fields->schema);
  edata.table_name = Copy(fields->table);
  edata.column_name = Copy(fields->column);
  edata.datatype_name = Copy(fields->datatype);
  edata.constraint_name = Copy(fields->constraint);
  edata.cursorpos = fields->position;
  edata.funcname = pstrdup(fields->function.c_str());
  edata.assoc_context = CurrentMemoryContext;
  delete fields;
  ThrowErrorData(&edata);
  pg_unreachable();
}

bool MustRaise(const Error& error) {
  for (const char* about_the_system : {"08", "25", "40", "53", "57", "58", "XX"}) {
    if (error.IsClass(about_the_system)) {
      return true;
    }
  }
  if (error.sqlerrcode() == ERRCODE_INSUFFICIENT_PRIVILEGE) {
    // Row-level security and RAISE in a trigger judge the row.
    return error.fields().function != "ExecWithCheckOptions" &&
           error.fields().function != "exec_stmt_raise";
  }
  return error.MustPropagate() || error.sqlerrcode() == ERRCODE_LOCK_NOT_AVAILABLE;
}

bool IsRowsOwnInReplay(const Error& error) {
  return error.sqlerrcode() == ERRCODE_INTERNAL_ERROR || error.IsClass("08") || error.IsClass("25");
}

}  // namespace mend::pg
