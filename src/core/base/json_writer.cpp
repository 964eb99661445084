#include "core/base/json_writer.h"

#include "core/base/json.h"

namespace mend::json {

Writer& Writer::Object() {
  Open('{');
  closers_ += '}';
  return *this;
}

Writer& Writer::Array() {
  Open('[');
  closers_ += ']';
  return *this;
}

Writer& Writer::Close() {
  text_ += closers_.back();
  closers_.pop_back();
  comma_ = true;
  return *this;
}

Writer& Writer::Key(std::string_view name) {
  Separate();
  AppendQuoted(&text_, name);
  text_ += ':';
  comma_ = false;
  return *this;
}

Writer& Writer::String(std::string_view text) {
  Separate();
  AppendQuoted(&text_, text);
  return *this;
}

Writer& Writer::Number(int64_t number) { return Raw(std::to_string(number)); }
Writer& Writer::Bool(bool value) { return Raw(value ? "true" : "false"); }
Writer& Writer::Null() { return Raw("null"); }

Writer& Writer::Raw(std::string_view json) {
  Separate();
  text_ += json;
  return *this;
}

void Writer::Open(char bracket) {
  Separate();
  text_ += bracket;
  comma_ = false;
}

void Writer::Separate() {
  if (comma_) text_ += ',';
  comma_ = true;
}

}  // namespace mend::json
