// JSON text as a flat tape of tokens. Numbers keep their text, so no digit is ever lost.
// This and json.cpp are the only files that include RapidJSON.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mend::json {

// Containers nested deeper than this are refused: PostgreSQL's own jsonb recurses on the stack.
inline constexpr uint32_t kMaxDepth = 1000;

enum class Kind : uint8_t { Null, False, True, Number, String, Array, Object };

struct Token {
  Kind kind;
  uint32_t next;     // index of the first token after this value
  uint32_t size;     // Number, String: bytes of data; Array: elements; Object: members
  uint32_t begin;    // where the value's text starts in the source (0 when not parsed from text)
  uint32_t end;      // one past its last byte
  const char* data;  // Number: its text as written; String: decoded UTF-8; not NUL-terminated
};

class Value;
struct FastScratch;

// Owns the tape and the decoded strings. Reuse one Document for many payloads: Parse() and the
// builder calls of a new Reset() keep the capacity. Values are valid until the next Reset/Parse.
class Document {
 public:
  struct Failure {
    std::string message;  // why, in one phrase; never quotes the text
    size_t offset;        // byte offset in the text given
  };

  Document();
  ~Document();
  Document(const Document&) = delete;  // tokens point into the buffer
  Document& operator=(const Document&) = delete;

  // Parses exactly one JSON value (RFC 8259, UTF-8 validated, white space around it allowed).
  // Refuses: trailing text, NUL characters (\u0000), lone surrogates, depth over kMaxDepth.
  // Iterative: input depth never costs stack. `text` must outlive the Values.
  std::optional<Failure> Parse(std::string_view text);

  // The same by the reader that knows what is wrong with a text; Parse() turns to it where its own
  // is in doubt.
  std::optional<Failure> ParseSlowly(std::string_view text);

  // Parses one value at the start of `text` (after white space) and stops behind it; `consumed`
  // tells where. For walking an array element by element.
  std::optional<Failure> ParsePrefix(std::string_view text, size_t* consumed);

  // Builder, for values that do not come from text (a jsonb argument). Call in document order;
  // an object's members are a String (key) followed by the value. `data` must outlive the Values.
  void Reset();
  void Add(Kind scalar, std::string_view data = {});
  void Open(Kind container);
  void Close();

  Value root() const;
  std::string_view source() const { return source_; }
  const std::vector<Token>& tokens() const { return tokens_; }
  // Bytes that it holds on to.
  size_t capacity() const;

 private:
  friend class TapeHandler;
  // Reads source_ with or without its numbers hidden; leaves in *hide_numbers whether to try again
  // with them hidden.
  std::optional<Failure> Read(bool* hide_numbers);

  std::vector<Token> tokens_;
  std::vector<uint32_t> open_;  // indexes of the containers not yet closed
  std::string buffer_;          // the in-situ copy that string tokens point into
  std::string_view source_;
  std::unique_ptr<FastScratch> scratch_;
};

// A cheap reference to one value on a tape.
class Value {
 public:
  Value() = default;
  Value(const Document* document, uint32_t index) : document_(document), index_(index) {}

  explicit operator bool() const { return document_ != nullptr; }
  uint32_t index() const { return index_; }
  const Document* document() const { return document_; }
  const Token& token() const { return document_->tokens()[index_]; }
  Kind kind() const { return token().kind; }
  bool IsScalar() const { return kind() != Kind::Array && kind() != Kind::Object; }
  // Number: text as written. String: decoded. True/False/Null: their JSON text. Containers: empty.
  std::string_view text() const;
  // Whether there is no value in it: null, an empty object, an array of nothing but such.
  bool IsNothing() const;
  // The value's own JSON text: the source slice when parsed from text, else serialised (strings
  // escaped, no added white space, or that of PostgreSQL's jsonb).
  enum class Space : bool { None, Jsonb };
  std::string Serialise(Space space = Space::None) const;

  // Iterating a container: for (Value v = c.First(); v; v = c.After(v)).
  // Of an object, First/After give the keys; ValueOf(key) the value behind a key.
  Value First() const;
  Value After(Value element) const;
  Value ValueOf(Value key) const { return Value(document_, key.index_ + 1); }

 private:
  const Document* document_ = nullptr;
  uint32_t index_ = 0;
};

// Appends `text` to `out` as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD.
void AppendQuoted(std::string* out, std::string_view text);

}  // namespace mend::json
