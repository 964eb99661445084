#include "server/convert/jsonb_writer.h"

#include <algorithm>
#include <cstring>

#include "server/convert/convert.h"
#include "server/convert/numeric_digits.h"

namespace mend::convert {
namespace {

// What one token may take at most, beside its own bytes: an entry, headers and padding.
constexpr size_t kMaxOverhead = 16;

// What is larger is not plain at a look.
constexpr uint32_t kTokensAtALook = 1024, kMembersAtALook = 16, kBytesAtALook = 64 * 1024,
                   kDigitsAtALook = 1000;

// Whether an object has as many different keys as members; false also where that takes a longer
// look.
bool HasNoKeyTwice(const json::Token* tokens, uint32_t object) {
  std::string_view keys[kMembersAtALook];
  if (tokens[object].size > kMembersAtALook) {
    return false;
  }
  uint32_t count = 0;
  for (uint32_t at = object + 1; at < tokens[object].next; at = tokens[at + 1].next) {
    const std::string_view key(tokens[at].data, tokens[at].size);
    for (uint32_t i = 0; i < count; ++i) {
      if (keys[i] == key) {
        return false;
      }
    }
    keys[count++] = key;
  }
  return true;
}

}  // namespace

bool JsonbBytes::Takes(const std::vector<json::Token>& tokens, uint32_t index) {
  const uint32_t end = tokens[index].next;
  size_t bytes = kMaxOverhead * (end - index);
  for (uint32_t i = index; i < end && bytes <= kMaxBytes; ++i) {
    const json::Token& token = tokens[i];
    bytes += token.kind == json::Kind::String || token.kind == json::Kind::Number ? token.size : 0;
  }
  return bytes <= kMaxBytes;
}

bool JsonbBytes::TakesAtALook(const std::vector<json::Token>& tokens, uint32_t index) {
  const uint32_t end = tokens[index].next;
  if (end - index > kTokensAtALook) {
    return false;
  }
  for (uint32_t i = index; i < end; ++i) {
    const json::Token& token = tokens[i];
    switch (token.kind) {
      case json::Kind::String:
        if (token.size > kBytesAtALook) {
          return false;
        }
        break;
      case json::Kind::Number:
        // Without an exponent, numeric holds many more digits.
        if (token.size > kDigitsAtALook || std::memchr(token.data, 'e', token.size) != nullptr ||
            std::memchr(token.data, 'E', token.size) != nullptr) {
          return false;
        }
        break;
      case json::Kind::Object:
        if (!HasNoKeyTwice(tokens.data(), i)) {
          return false;
        }
        break;
      default: break;
    }
  }
  return true;
}

void JsonbBytes::Begin(const std::vector<json::Token>& tokens) {
  tokens_ = tokens.data();
  size_ = 0;
  members_.clear();
  Reserve(VARHDRSZ);
}

Built JsonbBytes::WriteObjectOf(const std::vector<json::Token>& tokens,
                                const std::vector<NamedValue>& members, pg::Arena* arena,
                                Datum* result) {
  Begin(tokens);
  members_ = members;
  JEntry entry = 0;
  return End(WriteMembers(0, &entry), arena, result);
}

Built JsonbBytes::Write(const std::vector<json::Token>& tokens, uint32_t index, pg::Arena* arena,
                        Datum* result) {
  Begin(tokens);
  JEntry entry = 0;
  const json::Token& token = tokens[index];
  const bool container = token.kind == json::Kind::Array || token.kind == json::Kind::Object;
  const Built built = container ? WriteValue(index, &entry)
                                : WriteArray(index, token.next, 1, JB_FARRAY | JB_FSCALAR, &entry);
  return End(built, arena, result);
}

Built JsonbBytes::End(Built built, pg::Arena* arena, Datum* result) {
  if (built == Built::Done) {
    void* jsonb = arena->Take(size_);
    std::memcpy(jsonb, bytes_.data(), size_);
    SET_VARSIZE(jsonb, size_);
    *result = PointerGetDatum(jsonb);
  }
  return built;
}

size_t JsonbBytes::Reserve(size_t size) {
  const size_t at = size_;
  if (bytes_.size() - size_ < size + kMaxOverhead) {
    bytes_.resize(2 * bytes_.size() + size + kMaxOverhead);
  }
  size_ += size;
  return at;
}

void JsonbBytes::WriteBytes(const char* data, size_t size) {
  const size_t at = Reserve(size);
  if (size > 0) {
    std::memcpy(bytes_.data() + at, data, size);
  }
}

void JsonbBytes::Pad() {
  while (size_ % 4 != 0) {
    bytes_[Reserve(1)] = '\0';
  }
}

// The entry of child i, among the children of a container: a length, and at every so many children
// an offset.
void JsonbBytes::SetEntry(size_t entries, uint32_t i, JEntry entry, size_t* total) {
  *total += JBE_OFFLENFLD(entry);
  if (i % JB_OFFSET_STRIDE == 0) {
    entry = (entry & JENTRY_TYPEMASK) | static_cast<uint32_t>(*total) | JENTRY_HAS_OFF;
  }
  std::memcpy(bytes_.data() + entries + sizeof(JEntry) * i, &entry, sizeof entry);
}

Built JsonbBytes::WriteValue(uint32_t index, JEntry* entry) {
  work_.Took(8);
  const json::Token& token = tokens_[index];
  switch (token.kind) {
    case json::Kind::Null: *entry = JENTRY_ISNULL; return Built::Done;
    case json::Kind::True: *entry = JENTRY_ISBOOL_TRUE; return Built::Done;
    case json::Kind::False: *entry = JENTRY_ISBOOL_FALSE; return Built::Done;
    case json::Kind::String:
      WriteBytes(token.data, token.size);
      *entry = JENTRY_ISSTRING | token.size;
      return Built::Done;
    case json::Kind::Number: return WriteNumber(token, entry);
    case json::Kind::Array: return WriteArray(index + 1, token.next, token.size, JB_FARRAY, entry);
    case json::Kind::Object: return WriteObject(token, index, entry);
  }
  return Built::Done;
}

Built JsonbBytes::WriteNumber(const json::Token& token, JEntry* entry) {
  const size_t before = size_;
  Pad();
  NumericDigits digits;
  if (ReadNumeric({token.data, token.size}, -1, -1, &digits)) {
    const size_t size =
        VARHDRSZ + sizeof digits.header + sizeof(int16_t) * static_cast<size_t>(digits.count);
    const size_t offset = Reserve(size);
    char* at = bytes_.data() + offset;
    SET_VARSIZE(at, size);
    std::memcpy(at + VARHDRSZ, &digits.header, sizeof digits.header);
    std::memcpy(at + VARHDRSZ + sizeof digits.header, digits.digits,
                sizeof(int16_t) * static_cast<size_t>(digits.count));
  } else {
    Datum number = 0;
    if (!NumericFrom({token.data, token.size}, -1, &number)) {
      return Built::NumberTooLarge;
    }
    WriteBytes(DatumGetPointer(number), VARSIZE_ANY(DatumGetPointer(number)));
  }
  *entry = JENTRY_ISNUMERIC | static_cast<uint32_t>(size_ - before);
  return Built::Done;
}

Built JsonbBytes::WriteArray(uint32_t first, uint32_t end, uint32_t count, uint32_t flags,
                             JEntry* entry) {
  const size_t before = size_;
  Pad();
  const uint32_t header = count | flags;
  WriteBytes(reinterpret_cast<const char*>(&header), sizeof header);
  const size_t entries = Reserve(sizeof(JEntry) * count);
  size_t total = 0;
  uint32_t i = 0;
  for (uint32_t child = first; child < end; child = tokens_[child].next) {
    JEntry child_entry = 0;
    const Built built = WriteValue(child, &child_entry);
    if (built != Built::Done) {
      return built;
    }
    SetEntry(entries, i++, child_entry, &total);
  }
  *entry = JENTRY_ISCONTAINER | static_cast<uint32_t>(size_ - before);
  return Built::Done;
}

// Shorter keys first, as jsonb sorts them.
bool JsonbBytes::Before(const Member& a, const Member& b) {
  if (a.key.size() != b.key.size()) {
    return a.key.size() < b.key.size();
  }
  return std::memcmp(a.key.data(), b.key.data(), a.key.size()) < 0;
}

Built JsonbBytes::WriteObject(const json::Token& object, uint32_t index, JEntry* entry) {
  const size_t first = members_.size();
  for (uint32_t key = index + 1; key < object.next; key = tokens_[key + 1].next) {
    members_.push_back({{tokens_[key].data, tokens_[key].size}, key + 1});
  }
  return WriteMembers(first, entry);
}

Built JsonbBytes::WriteMembers(size_t first, JEntry* entry) {
  const size_t before = size_;
  Pad();
  const auto count = static_cast<uint32_t>(members_.size() - first);
  const uint32_t header = count | JB_FOBJECT;
  std::sort(members_.begin() + static_cast<std::ptrdiff_t>(first), members_.end(),
            [this](const Member& a, const Member& b) {
              work_.Took(4);
              return Before(a, b);
            });
  WriteBytes(reinterpret_cast<const char*>(&header), sizeof header);
  const size_t entries = Reserve(sizeof(JEntry) * 2 * count);
  size_t total = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const std::string_view key = members_[first + i].key;
    if (i > 0 && key == members_[first + i - 1].key) {
      return Built::DuplicateKey;
    }
    WriteBytes(key.data(), key.size());
    SetEntry(entries, i, JENTRY_ISSTRING | static_cast<uint32_t>(key.size()), &total);
  }
  for (uint32_t i = 0; i < count; ++i) {
    JEntry child_entry = 0;
    const Built built = WriteValue(members_[first + i].value, &child_entry);
    if (built != Built::Done) {
      return built;
    }
    SetEntry(entries, count + i, child_entry, &total);
  }
  members_.resize(first);
  *entry = JENTRY_ISCONTAINER | static_cast<uint32_t>(size_ - before);
  return Built::Done;
}

}  // namespace mend::convert
