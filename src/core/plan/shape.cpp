#include "core/plan/shape.h"

namespace mend::plan {
namespace {

bool IsPlain(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return false;
  }
  return true;
}

void AppendIdentifier(std::string* out, std::string_view name) {
  if (IsPlain(name)) {
    *out += name;
    return;
  }
  *out += '"';
  for (char c : name) {
    if (c == '"') *out += '"';
    *out += c;
  }
  *out += '"';
}

}  // namespace

const Column* Shape::Find(std::string_view column) const {
  for (const Column& candidate : columns) {
    if (candidate.name == column) return &candidate;
  }
  return nullptr;
}

std::string Shape::QualifiedName() const {
  std::string out;
  AppendIdentifier(&out, schema);
  out += '.';
  AppendIdentifier(&out, name);
  return out;
}

}  // namespace mend::plan
