// A jsonb's own bytes, walked in place.
#pragma once

#include <optional>
#include <string_view>

#include "core/base/json_pointer.h"
#include "server/pg/postgres.h"

namespace mend::convert {

// One value of a container, or a key of an object (the layout of utils/jsonb.h). Points into the
// jsonb.
struct JsonbPart {
  JEntry entry;
  uint32_t size;     // bytes of data
  const char* data;  // a string's bytes, a number's Numeric, or a JsonbContainer

  bool IsNull() const { return JBE_ISNULL(entry); }
  bool IsString() const { return JBE_ISSTRING(entry); }
  bool IsNumber() const { return JBE_ISNUMERIC(entry); }
  bool IsTrue() const { return JBE_ISBOOL_TRUE(entry); }
  bool IsContainer() const { return JBE_ISCONTAINER(entry); }
  std::string_view text() const { return {data, size}; }
  const JsonbContainer* container() const { return reinterpret_cast<const JsonbContainer*>(data); }
  // As json::Value::IsNothing().
  bool IsNothing() const { return IsNull() || (IsContainer() && HasNothing()); }
  bool HasNothing() const;  // of a container
};

// All of a jsonb; a scalar stands in an array of its own, as jsonb has it.
inline JsonbPart WholeOf(const Jsonb* jsonb) {
  return {JENTRY_ISCONTAINER, static_cast<uint32_t>(VARSIZE(jsonb) - VARHDRSZ),
          reinterpret_cast<const char*>(&jsonb->root)};
}

// As jsonb prints it, in CurrentMemoryContext.
std::string_view TextOf(const JsonbPart& part);

// What a pointer leads to; nullopt: nothing.
std::optional<JsonbPart> Find(JsonbPart whole, const json::Pointer& pointer);

// Whether containers are nested in one another more than `levels` times in it, itself being the
// first.
bool IsDeeperThan(const JsonbPart& part, uint32_t levels);

// What JsonbIterator gives, without its memory: the children of one container in their order. An
// object has its keys, sorted and each there once, and behind them as many values.
class JsonbParts {
 public:
  explicit JsonbParts(const JsonbContainer* container, uint32_t first = 0)
      : base_(reinterpret_cast<const char*>(container->children + CountOf(container))),
        next_(container->children + first),
        offset_(first == 0 ? 0 : getJsonbOffset(container, static_cast<int>(first))) {}

  // To be called as often as there are children behind the first.
  JsonbPart Next() {
    const JEntry entry = *next_++;
    const uint32_t begin = JBE_ISNUMERIC(entry) || JBE_ISCONTAINER(entry)
                               ? static_cast<uint32_t>(INTALIGN(offset_))
                               : offset_;
    JBE_ADVANCE_OFFSET(offset_, entry);
    return {entry, offset_ - begin, base_ + begin};
  }

  static uint32_t CountOf(const JsonbContainer* container) {
    const auto size = static_cast<uint32_t>(JsonContainerSize(container));
    return JsonContainerIsObject(container) ? 2 * size : size;
  }

 private:
  const char* base_;
  const JEntry* next_;
  uint32_t offset_;
};

// The value of a key of an object, by as many looks as its keys have binary digits.
std::optional<JsonbPart> FindKey(const JsonbContainer* object, std::string_view key);

}  // namespace mend::convert
