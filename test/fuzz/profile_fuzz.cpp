// Profiles of any value, or read from any text, travel as JSON and widen only without loss.
#include <cstdint>
#include <cstdlib>

#include "core/drift/profile.h"
#include "core/plan/lattice.h"

using namespace mend;

static void Check(const drift::Profile& profile) {
  const std::string text = profile.ToJson();
  const auto back = drift::Profile::FromJson(text);
  if (!back || back->ToJson() != text) std::abort();
  using namespace plan::type_oid;
  for (uint32_t oid : {kInt2, kInt4, kInt8, kNumeric, kFloat4, kFloat8, kVarchar, kText, kBool}) {
    const plan::Type from{oid, oid == kVarchar ? 7 : -1};
    const auto to = plan::WidenFor(from, profile);
    if (to && plan::Judge(from, *to) != plan::Widening::Lossless) std::abort();
  }
  plan::TypeForNew(profile);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  drift::Profile profile;
  json::Document document;
  if (!document.Parse(text)) profile.Add(document.root());
  Check(profile);
  if (auto stored = drift::Profile::FromJson(text)) {
    Check(*stored);
    stored->Merge(profile);
    stored->Merge(*stored);
    Check(*stored);
  }
  return 0;
}
