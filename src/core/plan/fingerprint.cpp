#include "core/plan/fingerprint.h"

#include <algorithm>
#include <tuple>

#include "core/base/hash.h"
#include "core/plan/lattice.h"
#include "core/plan/reading_family.h"

namespace mend::plan {
namespace {

void AddType(base::Hash* hash, const std::optional<Type>& type) {
  hash->Add(uint64_t{type.has_value()});
  if (type) hash->Add(uint64_t{type->oid}).Add(static_cast<uint64_t>(type->typmod));
}

// What was seen, not how often; widths and ranges only as far as they decide a type.
void AddEvidence(base::Hash* hash, const drift::Profile& profile, const Column* column) {
  uint64_t seen = 0;
  for (bool bit : {profile.booleans() > 0, profile.integers() > 0, profile.fractions() > 0,
                   profile.arrays() > 0, profile.objects() > 0, profile.arrays_of_scalars(),
                   profile.written_as_fraction(), profile.fits_float4(), profile.fits_float8(),
                   profile.exact_float4(), profile.exact_float8()}) {
    seen = seen << 1 | uint64_t{bit};
  }
  for (int format = 0; format <= static_cast<int>(drift::Format::Other); ++format) {
    seen = seen << 1 | uint64_t{profile.strings(static_cast<drift::Format>(format)) > 0};
  }
  hash->Add(seen).Add(static_cast<uint64_t>(profile.integer_bits()));
  AddType(hash, TypeForNew(profile));
  AddType(hash, column != nullptr ? WidenFor(column->type, profile) : std::nullopt);
  const std::optional<reading::Reading> read =
      column != nullptr
          ? reading::OnlyReading(ReadingFamily(column->type.oid), profile.rows(), profile.forms())
          : std::nullopt;
  hash->Add(read ? reading::Print(*read) : std::string());
}

}  // namespace

std::string ShapeFingerprint(const Shape& shape) {
  base::Hash hash;
  hash.Add(uint64_t{shape.columns.size()});
  for (const Column& column : shape.columns) {
    // The type by its text: OIDs of user-defined types differ from schema to schema.
    hash.Add(column.name).Add(column.type_text);
    hash.Add(uint64_t{column.not_null}).Add(uint64_t{column.has_default});
    hash.Add(static_cast<uint64_t>(column.generated));
  }
  return hash.Hex();
}

std::string DriftFingerprint(const Shape& shape, const drift::DriftSet& drift) {
  std::vector<const drift::Drift*> ordered;
  for (const drift::Drift& one : drift) ordered.push_back(&one);
  std::sort(ordered.begin(), ordered.end(), [](const drift::Drift* a, const drift::Drift* b) {
    return std::tie(a->field, a->column, a->kind, a->cause) <
           std::tie(b->field, b->column, b->kind, b->cause);
  });

  base::Hash hash;
  hash.Add(ShapeFingerprint(shape)).Add(uint64_t{ordered.size()});
  for (const drift::Drift* one : ordered) {
    hash.Add(one->field).Add(one->column).Add(static_cast<uint64_t>(one->kind));
    hash.Add(drift::Code(one->cause));
    AddEvidence(&hash, one->profile, shape.Find(one->column));
  }
  return hash.Hex();
}

}  // namespace mend::plan
