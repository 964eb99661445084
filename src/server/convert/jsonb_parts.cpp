#include "server/convert/jsonb_parts.h"

#include "server/pg/call.h"

namespace mend::convert {
namespace {

constexpr uint32_t kInterruptEvery = 4096;

JsonbValue ScalarOf(const JsonbPart& part) {
  JsonbValue value;
  if (part.IsString()) {
    value.type = jbvString;
    value.val.string.val = const_cast<char*>(part.data);
    value.val.string.len = static_cast<int>(part.size);
  } else if (part.IsNumber()) {
    value.type = jbvNumeric;
    value.val.numeric = DatumGetNumeric(PointerGetDatum(part.data));
  } else if (part.IsNull()) {
    value.type = jbvNull;
  } else {
    value.type = jbvBool;
    value.val.boolean = part.IsTrue();
  }
  return value;
}

}  // namespace

bool JsonbPart::HasNothing() const {
  const uint32_t count = JsonbParts::CountOf(container());
  if (!JsonContainerIsArray(container())) {
    return count == 0;
  }
  JsonbParts elements(container());
  for (uint32_t i = 0; i < count; ++i) {
    if (!elements.Next().IsNothing()) {
      return false;
    }
  }
  return true;
}

std::string_view TextOf(const JsonbPart& part) {
  return pg::Call([&] {
    auto* container = const_cast<JsonbContainer*>(part.container());
    if (!part.IsContainer()) {
      JsonbValue scalar = ScalarOf(part);
      container = &JsonbValueToJsonb(&scalar)->root;
    }
    return JsonbToCString(nullptr, container, static_cast<int>(part.size));
  });
}

std::optional<JsonbPart> Find(JsonbPart whole, const json::Pointer& pointer) {
  for (const json::Pointer::Step& step : pointer.steps()) {
    if (!whole.IsContainer() || JsonContainerIsScalar(whole.container())) {
      return std::nullopt;
    }
    const JsonbContainer* container = whole.container();
    const auto size = static_cast<uint32_t>(JsonContainerSize(container));
    uint32_t child = size;
    if (!JsonContainerIsObject(container)) {
      child = step.index.value_or(size);
    } else {
      JsonbParts keys(container);
      for (child = 0; child < size && keys.Next().text() != step.key; ++child) {
        if (child % kInterruptEvery == kInterruptEvery - 1) {
          pg::CheckInterrupts();
        }
      }
    }
    if (child >= size) {
      return std::nullopt;
    }
    whole = JsonbParts(container, JsonContainerIsObject(container) ? size + child : child).Next();
  }
  return whole;
}

bool IsDeeperThan(const JsonbPart& part, uint32_t levels) {
  if (!part.IsContainer() || part.size / (sizeof(uint32_t) + sizeof(JEntry)) < levels) {
    return false;  // each level but the last has a header and an entry
  }
  if (levels == 0) {
    return true;
  }
  const uint32_t count = JsonbParts::CountOf(part.container());
  JsonbParts children(part.container());
  for (uint32_t i = 0; i < count; ++i) {
    if (i % kInterruptEvery == kInterruptEvery - 1) {
      pg::CheckInterrupts();
    }
    if (IsDeeperThan(children.Next(), levels - 1)) {
      return true;
    }
  }
  return false;
}

std::optional<JsonbPart> FindKey(const JsonbContainer* object, std::string_view key) {
  const auto count = static_cast<uint32_t>(JsonContainerSize(object));
  const char* base = reinterpret_cast<const char*>(object->children + JsonbParts::CountOf(object));
  for (uint32_t low = 0, high = count; low < high;) {
    const uint32_t middle = low + (high - low) / 2;
    const std::string_view at(base + getJsonbOffset(object, static_cast<int>(middle)),
                              getJsonbLength(object, static_cast<int>(middle)));
    if (at == key) {
      return JsonbParts(object, count + middle).Next();
    }
    // Shorter keys come first.
    const bool before = at.size() != key.size() ? at.size() < key.size() : at < key;
    (before ? low : high) = before ? middle + 1 : middle;
  }
  return std::nullopt;
}

}  // namespace mend::convert
