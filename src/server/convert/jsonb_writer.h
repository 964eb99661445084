// JSON tokens to the bytes of a jsonb, in one pass.
#pragma once

#include <vector>

#include "core/base/json.h"
#include "core/base/long_work.h"
#include "server/pg/arena.h"

namespace mend::convert {

enum class Built : uint8_t { Done, DuplicateKey, NumberTooLarge };

// Writes what JsonbValueToJsonb() would: the layout of utils/jsonb.h, which is what is stored on
// disk. Keep one for many values.
class JsonbBytes {
 public:
  // Beyond this, jsonb's own limit might come into reach: 28 bits for the bytes of a container.
  static constexpr size_t kMaxBytes = 255 * 1024 * 1024;

  // Whether the value is small enough for Write().
  static bool Takes(const std::vector<json::Token>& tokens, uint32_t index);

  // Whether it is plain without writing it that Write() would be done. False says nothing.
  static bool TakesAtALook(const std::vector<json::Token>& tokens, uint32_t index);

  Built Write(const std::vector<json::Token>& tokens, uint32_t index, pg::Arena* arena,
              Datum* result);
  // An object of members whose values are on the tape, and small enough together. The keys must
  // live until it returns, and be there once each.
  struct NamedValue {
    std::string_view key;
    uint32_t value;  // index of a token
  };
  Built WriteObjectOf(const std::vector<json::Token>& tokens,
                      const std::vector<NamedValue>& members, pg::Arena* arena, Datum* result);
  size_t capacity() const { return bytes_.capacity() + members_.capacity() * sizeof(Member); }

 private:
  using Member = NamedValue;

  static bool Before(const Member& a, const Member& b);
  Built WriteValue(uint32_t index, JEntry* entry);
  Built WriteArray(uint32_t first, uint32_t end, uint32_t count, uint32_t flags, JEntry* entry);
  Built WriteObject(const json::Token& object, uint32_t index, JEntry* entry);
  // Of the members behind `first`, which it takes away.
  Built WriteMembers(size_t first, JEntry* entry);
  void Begin(const std::vector<json::Token>& tokens);
  Built End(Built built, pg::Arena* arena, Datum* result);
  Built WriteNumber(const json::Token& token, JEntry* entry);
  void WriteBytes(const char* data, size_t size);
  size_t Reserve(size_t size);  // its offset
  void Pad();
  void SetEntry(size_t entries, uint32_t i, JEntry entry, size_t* total);

  const json::Token* tokens_ = nullptr;
  base::LongWork work_;
  std::vector<char> bytes_;
  size_t size_ = 0;
  std::vector<Member> members_;  // of the objects that are open
};

}  // namespace mend::convert
