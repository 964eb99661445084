// Parsing JSON text into a tape, with RapidJSON's SAX reader.
#include "core/base/json.h"

#include <cstring>
#include <limits>

#include "core/base/json_fast.h"
#include "core/base/json_scan.h"
#include "core/base/long_work.h"
#include "core/base/number.h"
#include "core/base/utf8.h"

namespace mend::json {
namespace {

// RapidJSON's internal checks must not abort a server.
struct ReaderAssertion {};

}  // namespace
}  // namespace mend::json

#define RAPIDJSON_ASSERT(condition)                          \
  do {                                                       \
    if (!(condition)) throw ::mend::json::ReaderAssertion(); \
  } while (false)
#ifdef __SSE2__
#define RAPIDJSON_SSE2
#endif
#include <rapidjson/reader.h>

namespace mend::json {
namespace {

// RapidJSON's SIMD loops read whole aligned blocks: past the terminator, but never past this.
constexpr size_t kPadding = 16;

// Of a string that is read and checked byte by byte.
constexpr uint32_t kBytesAStep = 4;

// Holds the reader's stack at any depth allowed, so that it never allocates: RapidJSON does not
// look at what malloc returns.
constexpr size_t kReaderStack = 16 * 1024;
static_assert(kReaderStack >= 16 * kMaxDepth);

constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseInsituFlag |
                            rapidjson::kParseNumbersAsStringsFlag;

using Pool = rapidjson::MemoryPoolAllocator<>;
using Reader = rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>, Pool>;

const char* Describe(rapidjson::ParseErrorCode code) {
  switch (code) {
    case rapidjson::kParseErrorDocumentEmpty: return "the text is empty";
    case rapidjson::kParseErrorDocumentRootNotSingular: return "text follows the value";
    case rapidjson::kParseErrorValueInvalid: return "a value was expected";
    case rapidjson::kParseErrorObjectMissName: return "a member name was expected";
    case rapidjson::kParseErrorObjectMissColon: return "a colon was expected";
    case rapidjson::kParseErrorObjectMissCommaOrCurlyBracket:
      return "a comma or closing brace was expected";
    case rapidjson::kParseErrorArrayMissCommaOrSquareBracket:
      return "a comma or closing bracket was expected";
    case rapidjson::kParseErrorStringUnicodeEscapeInvalidHex:
      return "a Unicode escape needs four hexadecimal digits";
    case rapidjson::kParseErrorStringUnicodeSurrogateInvalid:
      return "a Unicode surrogate has no partner";
    case rapidjson::kParseErrorStringEscapeInvalid:
      return "a string has an invalid escape or a raw control character";
    case rapidjson::kParseErrorStringMissQuotationMark: return "a string is not closed";
    case rapidjson::kParseErrorNumberMissFraction: return "a number has no digit after its point";
    case rapidjson::kParseErrorNumberMissExponent: return "a number has no digit in its exponent";
    default: return "the text is not valid JSON";
  }
}

}  // namespace

// Receives RapidJSON's events, and writes the tape.
class TapeHandler {
 public:
  TapeHandler(Document* document, const rapidjson::InsituStringStream* stream, bool hidden_numbers)
      : document_(*document), stream_(*stream), hidden_numbers_(hidden_numbers) {}

  const char* refusal() const { return refusal_; }

  bool Null() { return Literal(Kind::Null, 4); }
  bool Bool(bool value) { return value ? Literal(Kind::True, 4) : Literal(Kind::False, 5); }
  bool RawNumber(const char* text, rapidjson::SizeType length, bool) {
    const size_t begin = static_cast<size_t>(text - document_.buffer_.data());
    if (hidden_numbers_) {
      length = static_cast<uint32_t>(base::JsonNumberLength(document_.source_.substr(begin)));
    }
    Push(Kind::Number, length, begin, begin + length, document_.source_.data() + begin);
    return true;
  }
  bool String(const char* text, rapidjson::SizeType length, bool) {
    const size_t begin = static_cast<size_t>(text - document_.buffer_.data()) - 1;
    size_t end = begin + length + 2;
    // An escape is longer than what it stands for, so the first one lies within the decoded length.
    const char* source = document_.source_.data() + begin;
    if (length != 0 && std::memchr(source + 1, '\\', length) != nullptr) {
      if (!IsStorable(text, length)) return false;
      end = StringEnd(document_.source_, begin);
    }
    Push(Kind::String, length, begin, end, text);
    return true;
  }
  bool Key(const char* text, rapidjson::SizeType length, bool copy) {
    return String(text, length, copy);
  }
  bool StartObject() { return Open(Kind::Object); }
  bool EndObject(rapidjson::SizeType members) { return Close(members); }
  bool StartArray() { return Open(Kind::Array); }
  bool EndArray(rapidjson::SizeType elements) { return Close(elements); }

  // Never called: numbers come as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }

 private:
  void Push(Kind kind, uint32_t size, size_t begin, size_t end, const char* data) {
    work_.Took(1 + size / kBytesAStep);
    const auto next = static_cast<uint32_t>(document_.tokens_.size() + 1);
    document_.tokens_.push_back(
        {kind, next, size, static_cast<uint32_t>(begin), static_cast<uint32_t>(end), data});
  }
  bool Literal(Kind kind, size_t length) {
    const size_t end = stream_.src_ - stream_.head_;
    Push(kind, 0, end - length, end, nullptr);
    return true;
  }
  bool Open(Kind kind) {
    if (document_.open_.size() >= kMaxDepth) {
      refusal_ = "values are nested too deeply";
      return false;
    }
    const size_t begin = stream_.src_ - stream_.head_;
    document_.open_.push_back(static_cast<uint32_t>(document_.tokens_.size()));
    Push(kind, 0, begin, 0, nullptr);
    return true;
  }
  bool Close(uint32_t size) {
    Token& token = document_.tokens_[document_.open_.back()];
    document_.open_.pop_back();
    token.next = static_cast<uint32_t>(document_.tokens_.size());
    token.size = size;
    token.end = static_cast<uint32_t>(stream_.src_ - stream_.head_ + 1);
    return true;
  }
  // RapidJSON decodes \u0000 and a low surrogate without its high one; PostgreSQL holds neither.
  bool IsStorable(const char* text, uint32_t length) {
    const std::string_view decoded(text, length);
    if (decoded.find('\0') != std::string_view::npos) {
      refusal_ = "\\u0000 cannot be stored";
    } else if (base::ValidUtf8Prefix(decoded) != decoded.size()) {
      refusal_ = "a Unicode surrogate has no partner";
    }
    return refusal_ == nullptr;
  }

  Document& document_;
  const rapidjson::InsituStringStream& stream_;
  const bool hidden_numbers_;
  base::LongWork work_;
  const char* refusal_ = nullptr;
};

Document::Document() : scratch_(std::make_unique<FastScratch>()) {}
Document::~Document() = default;

size_t Document::capacity() const {
  size_t bytes = tokens_.capacity() * sizeof(Token) + buffer_.capacity() +
                 (open_.capacity() + scratch_->open.capacity()) * sizeof(uint32_t);
  for (const FastScratch::Block& block : scratch_->decoded) {
    bytes += block.size;
  }
  return bytes;
}

std::optional<Document::Failure> Document::Parse(std::string_view text) {
  size_t consumed = 0;
  if (text.size() < std::numeric_limits<uint32_t>::max() - kPadding &&
      ReadFast(text, &tokens_, scratch_.get(), &consumed)) {
    while (consumed < text.size() && (text[consumed] == ' ' || text[consumed] == '\t' ||
                                      text[consumed] == '\n' || text[consumed] == '\r')) {
      ++consumed;
    }
    if (consumed == text.size()) {
      source_ = text;
      open_.clear();
      return std::nullopt;
    }
  }
  return ParseSlowly(text);  // which knows what is wrong
}

std::optional<Document::Failure> Document::ParseSlowly(std::string_view text) {
  Reset();
  if (text.size() >= std::numeric_limits<uint32_t>::max() - kPadding) {
    return Failure{"the text is too long", 0};
  }
  const size_t valid = base::ValidUtf8Prefix(text);
  if (valid != text.size()) return Failure{"the text is not valid UTF-8", valid};
  const size_t control = FindHighControl(text);
  if (control != text.size()) return Failure{"a raw control character", control};

  source_ = text;
  bool hide_numbers = false;
  std::optional<Failure> failure = Read(&hide_numbers);
  if (hide_numbers) failure = Read(&hide_numbers);
  if (failure) Reset();
  return failure;
}

std::optional<Document::Failure> Document::Read(bool* hide_numbers) {
  tokens_.clear();
  open_.clear();
  buffer_.assign(source_);
  buffer_.append(kPadding, '\0');
  if (*hide_numbers) HideNumbers(source_, &buffer_);

  alignas(16) char scratch[kReaderStack];
  Pool pool(scratch, sizeof scratch);
  Reader reader(&pool);
  rapidjson::InsituStringStream stream(buffer_.data());
  TapeHandler handler(this, &stream, *hide_numbers);
  try {
    reader.Parse<kFlags>(stream, handler);
  } catch (const ReaderAssertion&) {
    return Failure{"the text is not valid JSON", stream.Tell()};
  }
  if (reader.HasParseError()) {
    const rapidjson::ParseErrorCode code = reader.GetParseErrorCode();
    *hide_numbers = code == rapidjson::kParseErrorNumberTooBig && !*hide_numbers;
    const char* message = handler.refusal() != nullptr ? handler.refusal() : Describe(code);
    return Failure{message, reader.GetErrorOffset()};
  }
  if (stream.Tell() != source_.size()) return Failure{"a NUL character", stream.Tell()};
  *hide_numbers = false;
  return std::nullopt;
}

std::optional<Document::Failure> Document::ParsePrefix(std::string_view text, size_t* consumed) {
  if (text.size() < std::numeric_limits<uint32_t>::max() - kPadding &&
      ReadFast(text, &tokens_, scratch_.get(), consumed)) {
    // A number or a word goes on up to where ValueEnd() says.
    const Kind kind = tokens_.front().kind;
    if (kind == Kind::Array || kind == Kind::Object || kind == Kind::String ||
        *consumed == ValueEnd(text)) {
      source_ = text.substr(0, *consumed);
      open_.clear();
      return std::nullopt;
    }
  }
  *consumed = ValueEnd(text);
  return Parse(text.substr(0, *consumed));
}

void Document::Reset() {
  tokens_.clear();
  open_.clear();
  source_ = {};
}

void Document::Add(Kind scalar, std::string_view data) {
  const auto next = static_cast<uint32_t>(tokens_.size() + 1);
  if (!open_.empty()) ++tokens_[open_.back()].size;
  tokens_.push_back({scalar, next, static_cast<uint32_t>(data.size()), 0, 0, data.data()});
}

void Document::Open(Kind container) {
  Add(container);
  open_.push_back(static_cast<uint32_t>(tokens_.size() - 1));
}

void Document::Close() {
  Token& token = tokens_[open_.back()];
  open_.pop_back();
  token.next = static_cast<uint32_t>(tokens_.size());
  if (token.kind == Kind::Object) token.size /= 2;  // Add() counted keys and values
}

Value Document::root() const { return tokens_.empty() ? Value() : Value(this, 0); }

}  // namespace mend::json
