#include "core/base/json_fast.h"

#include <cstring>

#include "core/base/json_scan.h"
#include "core/base/long_work.h"
#include "core/base/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace mend::json {
namespace {

// Of each byte, what it may be.
enum : uint8_t {
  kBlank = 1,
  kDigit = 2,
  kStops = 4
};  // kStops: ends a run of a string's plain ASCII

struct Table {
  uint8_t of[256] = {};
  constexpr Table() {
    of[static_cast<int>(' ')] = of[static_cast<int>('\t')] = of[static_cast<int>('\n')] =
        of[static_cast<int>('\r')] = kBlank;
    for (int c = '0'; c <= '9'; ++c) of[c] = kDigit;
    for (int c = 0; c < 0x20; ++c) of[c] |= kStops;
    for (int c = 0x80; c < 0x100; ++c) of[c] |= kStops;
    of[static_cast<int>('"')] |= kStops;
    of[static_cast<int>('\\')] |= kStops;
  }
};
constexpr Table kTable;

bool Is(char c, uint8_t what) { return (kTable.of[static_cast<unsigned char>(c)] & what) != 0; }

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

class Reader {
 public:
  Reader(std::string_view text, std::vector<Token>* tokens, FastScratch* scratch)
      : begin_(text.data()),
        at_(text.data()),
        end_(text.data() + text.size()),
        tokens_(*tokens),
        scratch_(*scratch) {}

  bool Read() {
    tokens_.clear();
    scratch_.open.clear();
    SkipBlanks();
    if (!TakeValue()) return false;
    while (!scratch_.open.empty()) {
      if (!TakeNext()) return false;
    }
    return true;
  }
  size_t consumed() const { return static_cast<size_t>(at_ - begin_); }

 private:
  void SkipBlanks() {
    while (at_ < end_ && Is(*at_, kBlank)) ++at_;
  }
  bool Take(char c) {
    if (at_ >= end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  uint32_t Offset(const char* at) const { return static_cast<uint32_t>(at - begin_); }
  void Push(Kind kind, const char* from, const char* data, size_t size) {
    work_.Took();
    const auto next = static_cast<uint32_t>(tokens_.size() + 1);
    tokens_.push_back({kind, next, static_cast<uint32_t>(size), Offset(from), Offset(at_), data});
  }

  // What stands behind a value, up to and including the next value.
  bool TakeNext() {
    Token& container = tokens_[scratch_.open.back()];
    const bool object = container.kind == Kind::Object;
    SkipBlanks();
    if (Take(object ? '}' : ']')) {
      container.next = static_cast<uint32_t>(tokens_.size());
      container.end = Offset(at_);
      scratch_.open.pop_back();
      return true;
    }
    if (container.size > 0) {
      if (!Take(',')) return false;
      SkipBlanks();
    }
    ++container.size;
    return (!object || TakeKey()) && TakeValue();
  }

  bool TakeKey() {
    if (at_ >= end_ || *at_ != '"' || !TakeString()) return false;
    SkipBlanks();
    if (!Take(':')) return false;
    SkipBlanks();
    return true;
  }

  bool TakeValue() {
    if (at_ >= end_) return false;
    switch (*at_) {
      case '"': return TakeString();
      case '{': return Open(Kind::Object);
      case '[': return Open(Kind::Array);
      case 't': return TakeWord("true", Kind::True);
      case 'f': return TakeWord("false", Kind::False);
      case 'n': return TakeWord("null", Kind::Null);
      default: return TakeNumber();
    }
  }

  bool Open(Kind kind) {
    if (scratch_.open.size() >= kMaxDepth) return false;
    scratch_.open.push_back(static_cast<uint32_t>(tokens_.size()));
    Push(kind, at_, nullptr, 0);
    tokens_.back().end = 0;
    ++at_;
    return true;
  }

  bool TakeWord(std::string_view word, Kind kind) {
    if (static_cast<size_t>(end_ - at_) < word.size() ||
        std::memcmp(at_, word.data(), word.size()) != 0)
      return false;
    const char* from = at_;
    at_ += word.size();
    Push(kind, from, nullptr, 0);
    return true;
  }

  bool TakeDigits() {
    const char* from = at_;
    while (at_ < end_ && Is(*at_, kDigit)) ++at_;
    return at_ > from;
  }
  bool TakeNumber() {
    const char* from = at_;
    Take('-');
    if (!Take('0') && !TakeDigits()) return false;
    if (Take('.') && !TakeDigits()) return false;
    if (at_ < end_ && (*at_ == 'e' || *at_ == 'E')) {
      ++at_;
      if (!Take('-')) Take('+');
      if (!TakeDigits()) return false;
    }
    Push(Kind::Number, from, from, static_cast<size_t>(at_ - from));
    return true;
  }

  // Moves on to the first byte that is no plain ASCII of a string.
  void SkipPlain() {
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), escape = _mm_set1_epi8('\\'),
                  space = _mm_set1_epi8(0x20);
    while (end_ - at_ >= 16) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at_));
      // As signed bytes, what is above ASCII is less than a space as well.
      const __m128i stops =
          _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, escape)),
                       _mm_cmplt_epi8(block, space));
      const int mask = _mm_movemask_epi8(stops);
      if (mask != 0) {
        at_ += __builtin_ctz(static_cast<unsigned>(mask));
        return;
      }
      at_ += 16;
    }
#endif
    while (at_ < end_ && !Is(*at_, kStops)) ++at_;
  }

  // At an opening quote.
  bool TakeString() {
    const char* from = at_++;
    for (;;) {
      SkipPlain();
      if (at_ >= end_) return false;
      const auto c = static_cast<unsigned char>(*at_);
      if (c == '"') {
        const char* data = from + 1;
        ++at_;
        Push(Kind::String, from, data, static_cast<size_t>(at_ - 1 - data));
        return true;
      }
      if (c == '\\') return TakeEscaped(from);
      if (c < 0x20 || !SkipCharacter()) return false;
    }
  }

  // One character above ASCII.
  bool SkipCharacter() {
    char32_t code_point;
    const size_t length = base::DecodeUtf8({at_, static_cast<size_t>(end_ - at_)}, &code_point);
    at_ += length;
    work_.Took();
    return length > 0;
  }

  // The rest of a string, from its first escape on: what it stands for is never longer than what is
  // written.
  bool TakeEscaped(const char* from) {
    char* const data =
        Room(StringEnd({begin_, static_cast<size_t>(end_ - begin_)}, Offset(from)) - Offset(from));
    char* out = data;
    const auto keep = [&](const char* first) {
      std::memcpy(out, first, static_cast<size_t>(at_ - first));
      out += at_ - first;
    };
    keep(from + 1);
    while (at_ < end_ && *at_ != '"') {
      const char* first = at_;
      work_.Took();
      if (*at_ == '\\') {
        if (!Unescape(&out)) return false;
        continue;
      }
      const auto c = static_cast<unsigned char>(*at_);
      if (c < 0x20) return false;
      if (c >= 0x80) {
        if (!SkipCharacter()) return false;
      } else {
        SkipPlain();
      }
      keep(first);
    }
    if (!Take('"')) return false;
    const auto size = static_cast<size_t>(out - data);
    used_ += size;
    Push(Kind::String, from, data, size);
    return true;
  }

  // Room for a string of at most `size` bytes, in a block that nothing moves.
  char* Room(size_t size) {
    constexpr size_t kBlock = 4096;
    while (block_ < scratch_.decoded.size() && scratch_.decoded[block_].size - used_ < size) {
      ++block_;
      used_ = 0;
    }
    if (block_ == scratch_.decoded.size()) {
      const size_t room = size > kBlock ? size : kBlock;
      scratch_.decoded.push_back({std::unique_ptr<char[]>(new char[room]), room});
    }
    return scratch_.decoded[block_].bytes.get() + used_;
  }

  bool Unescape(char** out) {
    if (end_ - at_ < 2) return false;
    ++at_;
    switch (*at_++) {
      case '"': *(*out)++ = '"'; return true;
      case '\\': *(*out)++ = '\\'; return true;
      case '/': *(*out)++ = '/'; return true;
      case 'b': *(*out)++ = '\b'; return true;
      case 'f': *(*out)++ = '\f'; return true;
      case 'n': *(*out)++ = '\n'; return true;
      case 'r': *(*out)++ = '\r'; return true;
      case 't': *(*out)++ = '\t'; return true;
      case 'u': return UnescapeUnicode(out);
      default: return false;
    }
  }

  bool TakeHex(uint32_t* unit) {
    if (end_ - at_ < 4) return false;
    *unit = 0;
    for (int i = 0; i < 4; ++i) {
      const int value = HexValue(*at_++);
      if (value < 0) return false;
      *unit = *unit * 16 + static_cast<uint32_t>(value);
    }
    return true;
  }

  bool UnescapeUnicode(char** out) {
    uint32_t code = 0, low = 0;
    if (!TakeHex(&code) || code == 0) return false;
    if (code >= 0xD800 && code <= 0xDFFF) {
      if (code > 0xDBFF || !Take('\\') || !Take('u') || !TakeHex(&low) || low < 0xDC00 ||
          low > 0xDFFF)
        return false;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    const auto put = [&](uint32_t byte) { *(*out)++ = static_cast<char>(byte); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xC0 | code >> 6);
      put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      put(0xE0 | code >> 12);
      put(0x80 | (code >> 6 & 0x3F));
      put(0x80 | (code & 0x3F));
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
      put(0x80 | (code >> 6 & 0x3F));
      put(0x80 | (code & 0x3F));
    }
    return true;
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  std::vector<Token>& tokens_;
  FastScratch& scratch_;
  base::LongWork work_;
  size_t block_ = 0, used_ = 0;  // where in scratch_.decoded the next string goes
};

}  // namespace

bool ReadFast(std::string_view text, std::vector<Token>* tokens, FastScratch* scratch,
              size_t* consumed) {
  Reader reader(text, tokens, scratch);
  const bool read = reader.Read();
  *consumed = reader.consumed();
  return read;
}

}  // namespace mend::json
