// Any field gets a name that PostgreSQL takes as it is.
#include <cstdint>
#include <cstdlib>

#include "core/base/utf8.h"
#include "core/plan/identifier.h"

using namespace mend;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view field(reinterpret_cast<const char*>(data), size);
  const std::string normal = plan::Normalise(field);
  if (plan::Normalise(normal) != normal) std::abort();
  const std::string first = plan::ColumnNameFor(field, [](const std::string&) { return false; });
  const std::string second =
      plan::ColumnNameFor(field, [&](const std::string& name) { return name == first; });
  const bool valid = base::ValidUtf8Prefix(field) == size;
  for (const std::string& name : {first, second}) {
    if (name.empty() || name.size() > plan::kMaxIdentifierBytes) std::abort();
    if (plan::IsSystemColumn(name) || name.find('\0') != std::string::npos) std::abort();
    if (valid && !base::CountCharacters(name)) std::abort();
    if (valid && base::ValidUtf8Prefix(name) != name.size()) std::abort();
  }
  if (first == second) std::abort();
  return 0;
}
