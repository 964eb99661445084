// One JSON value to one SQL value, with a verdict instead of an error.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/json.h"
#include "core/reading/reader.h"
#include "server/convert/fault.h"
#include "server/convert/iso8601.h"
#include "server/convert/jsonb_parts.h"
#include "server/convert/jsonb_writer.h"
#include "server/convert/type_info.h"
#include "server/pg/arena.h"

namespace mend::convert {

// Converts values of one payload after the other.
class Converter {
 public:
  Converter(TypeMap* types, const std::optional<std::string>& naive_zone);

  // Converts into CurrentMemoryContext. With `lossy`, what the lossless rules refuse is left to the
  // type's input function. On false, fault() tells why. JSON null is SQL NULL. Throws
  // pg::Error only for what says nothing about the value (cancel, resources).
  bool Convert(const TypeInfo& type, int32_t typmod, json::Value value, bool lossy, Datum* out,
               bool* null);
  // The same from a jsonb, in which the value may go on pointing.
  bool Convert(const TypeInfo& type, int32_t typmod, const JsonbPart& part, bool lossy, Datum* out,
               bool* null);
  // A jsonb object of values on a tape: false as Convert() says it. All of them together are small
  // enough for JsonbBytes.
  bool ToJsonbObject(const json::Document& tape, const std::vector<JsonbBytes::NamedValue>& members,
                     Datum* out);
  // How the values to come are read that the type does not take as they are; nullptr: not at all,
  // as at first. Must outlive them.
  void ReadBy(const reading::Readings* readings);
  // Whether values are wanted, as they are at first, or verdicts alone: then what it gives for one
  // is not to be used.
  void Want(bool values) {
    values_ = values;
    has_read_ = false;
  }
  // Whether a value since then is what a reading has made.
  bool has_read() const { return has_read_; }
  const Fault& fault() const { return fault_; }
  // Before the memory is reset that it has converted into.
  void ForgetMemory() { arena_.Forget(); }
  size_t capacity() const { return jsonb_.capacity() + tape_.capacity() + reader_.capacity(); }

 private:
  // While it lives, the variable has another value.
  template <class T>
  class Scoped {
   public:
    Scoped(T* variable, T value) : variable_(variable), before_(*variable) { *variable = value; }
    ~Scoped() { *variable_ = before_; }
    Scoped(const Scoped&) = delete;
    Scoped& operator=(const Scoped&) = delete;

   private:
    T* variable_;
    T before_;
  };

  bool ConvertValue(plan::Type type, json::Value value, Datum* out, bool* null) {
    return ConvertAs(types_.Find(type.oid), type.typmod, value, out, null);
  }
  // As a column takes a value: what holds none is NULL where the type has no such value.
  bool ConvertField(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out,
                    bool* null);
  bool ConvertAs(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out, bool* null);
  // What became of a value that readings were asked for.
  enum class Claim : uint8_t {
    None,     // no reading claims it
    Refused,  // the type does not take what they make of it
    Taken,
  };
  // `first`: by those readings alone that come before the plain form.
  Claim ByReading(const TypeInfo& type, int32_t typmod, json::Value value, bool first, Datum* out,
                  bool* null);
  // As it is, or else by the readings.
  bool WithReadings(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out,
                    bool* null);
  bool Strictly(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out, bool* null);

  bool ToInteger(const TypeInfo& type, json::Value value, Datum* out);
  bool ToNumeric(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out);
  bool ToFloat(const TypeInfo& type, json::Value value, Datum* out);
  bool ToBool(const TypeInfo& type, json::Value value, Datum* out);
  bool ToText(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out);
  bool ToUuid(const TypeInfo& type, json::Value value, Datum* out);
  bool ToJson(json::Value value, Datum* out);
  bool ToJsonb(json::Value value, Datum* out);
  bool ToEnum(const TypeInfo& type, json::Value value, Datum* out);
  bool ToDate(const TypeInfo& type, json::Value value, Datum* out);
  bool ToTime(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out);
  bool ToTimestamp(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out);
  bool ToInterval(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out);
  bool ToMoney(const TypeInfo& type, json::Value value, Datum* out);
  bool ToUnsigned(const TypeInfo& type, json::Value value, Datum* out);
  bool ToRange(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out);
  bool CheckBound(const TypeInfo& type, std::string_view bound);
  bool ToBytea(const TypeInfo& type, json::Value value, Datum* out);
  bool ToVector(const TypeInfo& type, json::Value value, Datum* out);
  bool ToOther(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out);
  bool ToPairs(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out);
  bool ToArray(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out);
  bool ToComposite(const TypeInfo& type, json::Value value, Datum* out);
  bool ToDomain(const TypeInfo& type, json::Value value, Datum* out, bool* null);
  bool ReadDomain(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out, bool* null);
  bool CheckDomain(const TypeInfo& type, Datum value, bool null);
  // Through the type's input function, from the JSON text.
  bool ByInput(const TypeInfo& type, int32_t typmod, json::Value value, Datum* out);
  bool ByInput(const TypeInfo& type, int32_t typmod, const std::string& text, Datum* out);
  // The same, unless the value then prints as another.
  bool ByInputUnchanged(const TypeInfo& type, int32_t typmod, json::Value value,
                        const std::string& text, Datum* out);
  std::string Printed(const TypeInfo& type, Datum value);

  bool NumberText(const TypeInfo& type, json::Value value, std::string_view* number);
  bool ReadTime(const TypeInfo& type, int32_t typmod, json::Value value, IsoTime* time);
  bool OffsetOf(const TypeInfo& type, json::Value value, const IsoTime& time, int* seconds_west);
  bool BuildJsonb(json::Value value, Jsonb** out);
  bool JsonbVerdict(Built built, json::Value value);
  // As they are.
  bool TakeNumber(const TypeInfo& type, int32_t typmod, const JsonbPart& part, Datum* out);
  bool TakeNumeric(int32_t typmod, const JsonbPart& part, Datum* out);
  bool TakeContainer(const JsonbPart& part, Datum* out);
  // Fixed bytes and varlenas, without PostgreSQL's own memory calls.
  Datum Bytes(const void* data, size_t size);
  Datum Text(std::string_view text, size_t blanks);
  // The elements of a (sub)array, row-major; the JSON arrays must have these sizes.
  struct ArrayShape {
    int dimensions = 0;
    int sizes[MAXDIM] = {};
    size_t total = 1;
  };
  bool ShapeOf(const TypeInfo& type, json::Value value, ArrayShape* shape);
  bool FillArray(const TypeInfo& type, int32_t typmod, json::Value value, const ArrayShape& shape,
                 int depth, Datum** values, bool** nulls);

  bool Fail(drift::Kind kind, drift::Cause cause, const char* sqlstate, std::string message,
            std::string about = {});
  bool BadSyntax(const TypeInfo& type, json::Value value, const char* sqlstate = "22P02");
  bool OutOfRange(const TypeInfo& type, json::Value value);
  bool Lossy(const TypeInfo& type, json::Value value, drift::Cause cause, const char* what,
             std::string about = {});

  TypeMap& types_;
  const std::optional<std::string>& naive_zone_;
  const reading::Readings* readings_ = nullptr;
  bool reads_first_ = false;  // one of them comes before the plain form
  bool knows_zone_ = false;   // one of them is of a time zone: naive_zone has no say
  bool quiet_ = false;        // the fault need not be worded
  bool has_read_ = false;     // a value since Want(), by a reading
  reading::Reader reader_;
  bool lossy_ = false;
  bool values_ = true;
  Fault fault_;
  pg::Arena arena_;
  JsonbBytes jsonb_;
  json::Document tape_;  // of a jsonb's value
};

// A JSON number as numeric, keeping its scale; false when past what numeric can hold. `number` must
// be a JSON number, checked against `typmod` before.
bool NumericFrom(std::string_view number, int32_t typmod, Datum* out);

}  // namespace mend::convert
