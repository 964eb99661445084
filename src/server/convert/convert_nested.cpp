// JSON arrays to array types, JSON objects to composite types.
#include <cstring>

#include "server/convert/convert.h"

namespace mend::convert {
namespace {

constexpr size_t kManyElements = 1000000;  // past this, the array's own limits are near

// Of a part, for whoever hears about the whole.
std::string PhraseOf(const Fault& fault, const TypeInfo& type) {
  return drift::Phrase(fault.cause, type.name, fault.about);
}

void* Huge(size_t size) {
  return pg::Call(
      [&] { return MemoryContextAllocHuge(CurrentMemoryContext, size == 0 ? 1 : size); });
}

}  // namespace

// Reads the sizes off the first element of each level; FillArray checks the others.
bool Converter::ShapeOf(const TypeInfo& type, json::Value value, ArrayShape* shape) {
  plan::Type element{type.element, -1};
  while (types_.Find(element.oid).type_class == TypeClass::Domain) {
    element = types_.Find(element.oid).base;
  }
  const TypeClass element_class = types_.Find(element.oid).type_class;
  const bool takes_arrays = element_class == TypeClass::Json || element_class == TypeClass::Jsonb ||
                            element_class == TypeClass::Array;
  for (json::Value level = value; level && level.kind() == json::Kind::Array;
       level = level.First()) {
    if (shape->dimensions == MAXDIM || (shape->dimensions > 0 && level.token().size == 0)) {
      return BadSyntax(type, value);
    }
    shape->sizes[shape->dimensions++] = static_cast<int>(level.token().size);
    shape->total *= level.token().size;
    if (takes_arrays || level.token().size == 0) {
      break;
    }
  }
  if (shape->total > MaxArraySize) {
    return Fail(drift::Kind::TooLong, drift::Cause::TooLarge, "54000",
                "array size exceeds the maximum allowed");
  }
  return true;
}

bool Converter::FillArray(const TypeInfo& type, int32_t typmod, json::Value value,
                          const ArrayShape& shape, int depth, Datum** values, bool** nulls) {
  if (value.kind() != json::Kind::Array ||
      static_cast<int>(value.token().size) != shape.sizes[depth]) {
    return BadSyntax(type, value);
  }
  int since_interrupt = 0;
  const TypeInfo& element_type = types_.Find(type.element);
  for (json::Value element = value.First(); element; element = value.After(element)) {
    if (depth + 1 < shape.dimensions) {
      if (!FillArray(type, typmod, element, shape, depth + 1, values, nulls)) {
        return false;
      }
      continue;
    }
    if (++since_interrupt % 1024 == 0) {
      pg::CheckInterrupts();
    }
    if (!ConvertAs(element_type, typmod, element, *values, *nulls)) {
      fault_.about = PhraseOf(fault_, element_type);
      fault_.cause = drift::Cause::Element;
      fault_.read.clear();
      return false;
    }
    ++*values;
    ++*nulls;
  }
  return true;
}

bool Converter::ToArray(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out) {
  ArrayShape shape;
  if (value.kind() != json::Kind::Array) {
    return BadSyntax(type, value);
  }
  if (value.token().size == 0) {
    *out = pg::Call([&] { return PointerGetDatum(construct_empty_array(type.element)); });
    return true;
  }
  if (!ShapeOf(type, value, &shape)) {
    return false;
  }
  const bool few = shape.total <= 1000;
  const bool is_short = value.token().end - value.token().begin < kManyElements;
  std::optional<Scoped<bool>> wanted;
  if (!few || !is_short) {
    wanted.emplace(&values_, true);  // only making it shows whether it is too large
  }
  auto* values = static_cast<Datum*>(few ? arena_.Take(shape.total * sizeof(Datum))
                                         : Huge(shape.total * sizeof(Datum)));
  auto* nulls = static_cast<bool*>(few ? arena_.Take(shape.total) : Huge(shape.total));
  Datum* next_value = values;
  bool* next_null = nulls;
  if (!FillArray(type, typmod, value, shape, 0, &next_value, &next_null)) {
    return false;
  }
  if (!values_) {
    return true;
  }
  const TypeInfo& element = types_.Find(type.element);
  int lower_bounds[MAXDIM] = {1, 1, 1, 1, 1, 1};
  auto construct = [&] {
    *out = pg::Call([&] {
      return PointerGetDatum(construct_md_array(values, nulls, shape.dimensions, shape.sizes,
                                                lower_bounds, element.oid, element.length,
                                                element.by_value, element.alignment));
    });
  };
  if (shape.total < kManyElements && is_short) {
    construct();
    return true;
  }
  const std::optional<pg::Error> error = pg::Attempt(construct);
  if (error && pg::MustRaise(*error)) {
    throw *error;
  }
  if (error) {
    fault_ = FaultOf(*error);
  }
  return !error;
}

bool Converter::ToComposite(const TypeInfo& type, json::Value value, Datum* out) {
  if (value.kind() != json::Kind::Object) {
    return BadSyntax(type, value);
  }
  const Scoped<bool> wanted(&values_, true);
  const Scoped<const reading::Readings*> as_they_are(&readings_, nullptr);
  TupleDesc row = pg::Call([&] { return lookup_rowtype_tupdesc_copy(type.oid, -1); });
  const auto count = static_cast<size_t>(row->natts);
  auto* values = static_cast<Datum*>(Huge(count * sizeof(Datum)));
  auto* nulls = static_cast<bool*>(Huge(count));
  auto* members = static_cast<uint32_t*>(Huge(count * sizeof(uint32_t)));
  memset(members, 0, count * sizeof(uint32_t));
  for (json::Value key = value.First(); key; key = value.After(key)) {
    const json::Value member = value.ValueOf(key);
    size_t i = 0;
    while (i < count && (TupleDescAttr(row, i)->attisdropped ||
                         key.text() != NameStr(TupleDescAttr(row, i)->attname))) {
      ++i;
    }
    if (i == count && !member.IsNothing()) {
      return Lossy(type, value, drift::Cause::UnknownMember,
                   "it has no such field as one of the object's keys", Quote(key.text()));
    }
    if (i < count && members[i] != 0) {
      return Lossy(type, value, drift::Cause::DuplicateKeyInside,
                   "two of the object's keys are the same");
    }
    if (i < count) {
      members[i] = member.index();
    }
  }
  for (size_t i = 0; i < count; ++i) {
    const FormData_pg_attribute& field = *TupleDescAttr(row, i);
    values[i] = 0;
    nulls[i] = true;
    if (field.attisdropped) {
      continue;
    }
    if (members[i] != 0) {
      const TypeInfo& member_type = types_.Find(field.atttypid);
      if (!ConvertField(member_type, field.atttypmod, json::Value(value.document(), members[i]),
                        &values[i], &nulls[i])) {
        fault_.about = PhraseOf(fault_, member_type);
        fault_.cause = drift::Cause::Member;
        fault_.read.clear();
        return false;
      }
    } else if (!CheckDomain(types_.Find(field.atttypid), 0, true)) {
      return false;
    }
  }
  *out = pg::Call([&] { return HeapTupleGetDatum(heap_form_tuple(row, values, nulls)); });
  return true;
}

}  // namespace mend::convert
