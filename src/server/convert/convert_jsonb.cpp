// Values of a jsonb: copied as they are where the column keeps the same form, else by way of a
// tape.
#include "core/plan/typmod.h"
#include "server/convert/convert.h"
#include "server/convert/numeric_digits.h"

namespace mend::convert {
namespace {

constexpr uint32_t kInterruptEvery = 4096;

// Of the varlena of a number, which another jsonb may have brought with a short header.
const char* NumericBytes(const JsonbPart& part) { return VARDATA_ANY(part.data); }
size_t NumericSize(const JsonbPart& part) { return VARSIZE_ANY_EXHDR(part.data); }

class TapeWriter {
 public:
  TapeWriter(pg::Arena* arena, json::Document* document) : arena_(*arena), document_(*document) {}

  void Write(const JsonbPart& part) {
    if (++written_ % kInterruptEvery == 0) {
      pg::CheckInterrupts();
    }
    if (part.IsContainer()) {
      WriteContainer(part.container());
    } else if (part.IsString()) {
      document_.Add(json::Kind::String, part.text());
    } else if (part.IsNumber()) {
      WriteNumber(part);
    } else {
      document_.Add(part.IsNull()   ? json::Kind::Null
                    : part.IsTrue() ? json::Kind::True
                                    : json::Kind::False);
    }
  }

 private:
  void WriteContainer(const JsonbContainer* container) {
    const bool object = JsonContainerIsObject(container);
    const auto size = static_cast<uint32_t>(JsonContainerSize(container));
    document_.Open(object ? json::Kind::Object : json::Kind::Array);
    JsonbParts keys(container), values(container, object ? size : 0);
    for (uint32_t i = 0; i < size; ++i) {
      if (object) {
        document_.Add(json::Kind::String, keys.Next().text());
      }
      Write(values.Next());
    }
    document_.Close();
  }

  void WriteNumber(const JsonbPart& part) {
    char text[kMaxNumericText];
    const size_t size = WriteNumericText(NumericBytes(part), NumericSize(part), text);
    if (size == 0) {
      const char* whole = pg::Call([&] {
        return DatumGetCString(DirectFunctionCall1(numeric_out, PointerGetDatum(part.data)));
      });
      document_.Add(json::Kind::Number, whole);
      return;
    }
    void* copy = arena_.Take(size);
    memcpy(copy, text, size);
    document_.Add(json::Kind::Number, {static_cast<const char*>(copy), size});
  }

  pg::Arena& arena_;
  json::Document& document_;
  uint32_t written_ = 0;
};

}  // namespace

bool Converter::Convert(const TypeInfo& type, int32_t typmod, const JsonbPart& part, bool lossy,
                        Datum* out, bool* null) {
  *null = false;
  if ((part.IsNumber() && TakeNumber(type, typmod, part, out)) ||
      (part.IsContainer() && type.type_class == TypeClass::Jsonb && TakeContainer(part, out))) {
    return true;
  }
  tape_.Reset();
  TapeWriter(&arena_, &tape_).Write(part);
  return Convert(type, typmod, tape_.root(), lossy, out, null);
}

// False, with no claim on the number: it has to be looked at as text.
bool Converter::TakeNumber(const TypeInfo& type, int32_t typmod, const JsonbPart& part,
                           Datum* out) {
  switch (type.type_class) {
    case TypeClass::Numeric: return TakeNumeric(typmod, part, out);
    case TypeClass::Int2:
    case TypeClass::Int4:
    case TypeClass::Int8:
    case TypeClass::Float8: break;
    default: return false;
  }
  SmallNumber number;
  if (!ReadSmallNumber(NumericBytes(part), NumericSize(part), &number)) {
    return false;
  }
  if (type.type_class == TypeClass::Float8) {
    double value = 0;
    if (!NearestDouble(number, &value)) {
      return false;
    }
    *out = Float8GetDatum(value);
    return true;
  }
  int64_t value = 0;
  if (!ExactInteger(number, &value)) {
    return false;
  }
  *out = type.type_class == TypeClass::Int2   ? Int16GetDatum(static_cast<int16_t>(value))
         : type.type_class == TypeClass::Int4 ? Int32GetDatum(static_cast<int32_t>(value))
                                              : Int64GetDatum(value);
  return (type.type_class != TypeClass::Int2 || value == static_cast<int16_t>(value)) &&
         (type.type_class != TypeClass::Int4 || value == static_cast<int32_t>(value));
}

bool Converter::TakeNumeric(int32_t typmod, const JsonbPart& part, Datum* out) {
  if (!VARATT_IS_4B_U(part.data)) {
    return false;
  }
  if (typmod < 0) {
    *out = PointerGetDatum(part.data);
    return true;
  }
  const plan::NumericLimits limits = plan::DecodeNumeric(typmod);
  uint16_t header = 0;
  if (!FitsAsItIs(NumericBytes(part), NumericSize(part), limits.precision, limits.scale, &header)) {
    return false;
  }
  *out = Bytes(part.data, VARSIZE(part.data));
  memcpy(VARDATA(DatumGetPointer(*out)), &header, sizeof header);
  return true;
}

// A container is laid out the same within another and alone.
bool Converter::TakeContainer(const JsonbPart& part, Datum* out) {
  auto* jsonb = static_cast<struct varlena*>(arena_.Take(VARHDRSZ + part.size));
  SET_VARSIZE(jsonb, VARHDRSZ + part.size);
  memcpy(VARDATA(jsonb), part.data, part.size);
  *out = PointerGetDatum(jsonb);
  return true;
}

}  // namespace mend::convert
