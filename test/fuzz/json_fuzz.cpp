// Whatever parses must read back as itself; whatever does not must not crash.
#include <cstdint>
#include <cstdlib>

#include "core/base/json.h"

using mend::json::Document;
using mend::json::Value;

static void Check(bool holds) {
  if (!holds) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t consumed = 0;
  Document prefix;
  const bool has_prefix = !prefix.ParsePrefix(text, &consumed);
  Check(consumed <= size);

  Document careful;
  const bool refused = careful.ParseSlowly(text).has_value();
  Document document;
  Check(document.Parse(text).has_value() == refused);
  if (refused) return 0;
  Check(careful.tokens().size() == document.tokens().size());
  for (uint32_t i = 0; i < document.tokens().size(); ++i) {
    const Value quick(&document, i), slow(&careful, i);
    Check(quick.kind() == slow.kind() && quick.text() == slow.text() &&
          quick.token().begin == slow.token().begin && quick.token().end == slow.token().end &&
          quick.token().next == slow.token().next);
  }
  Check(has_prefix);
  Check(prefix.tokens().size() == document.tokens().size());
  // The first values only: the cost of a run stays linear.
  for (uint32_t i = 0; i < document.tokens().size() && i < 64; ++i) {
    const Value value(&document, i);
    Document again;
    const std::string slice = value.Serialise();
    Check(!again.Parse(slice));
    Check(again.root().kind() == value.kind() && again.root().text() == value.text());
  }
  return 0;
}
