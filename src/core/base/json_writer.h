// Writes JSON text in document order, without white space.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mend::json {

// Commas and quotes are put here; the caller sees to it that every Object() and Array() is closed
// and that members have keys.
class Writer {
 public:
  Writer& Object();
  Writer& Array();
  Writer& Close();  // the innermost Object or Array
  Writer& Key(std::string_view name);

  Writer& String(std::string_view text);
  Writer& Number(int64_t number);
  Writer& Bool(bool value);
  Writer& Null();
  Writer& Raw(std::string_view json);  // text that is one JSON value already

  // Key and value at once.
  Writer& String(std::string_view name, std::string_view text) { return Key(name).String(text); }
  Writer& Number(std::string_view name, int64_t number) { return Key(name).Number(number); }
  Writer& Bool(std::string_view name, bool value) { return Key(name).Bool(value); }
  Writer& Raw(std::string_view name, std::string_view json) { return Key(name).Raw(json); }

  const std::string& text() const { return text_; }
  std::string Take() { return std::move(text_); }

 private:
  void Open(char bracket);
  void Separate();

  std::string text_;
  std::string closers_;  // what closes the containers that are open, innermost last
  bool comma_ = false;   // whether the next value or key stands behind another
};

}  // namespace mend::json
