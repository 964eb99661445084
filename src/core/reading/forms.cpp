#include "core/reading/forms.h"

#include <algorithm>
#include <array>

#include "core/base/number.h"
#include "core/reading/notation.h"

namespace mend::reading {
namespace {

constexpr size_t kMaxLength = 64;

// What a form with a fixed reading is besides.
enum class Part : uint8_t { Whole, Time, OffsetTime, Number, Text, Uuid, Binary };

struct Fixed {
  Kind kind;
  Part part;
  std::string_view code;
};

constexpr Fixed kFixed[] = {
    {Kind::Number, Part::Whole, "number"},
    {Kind::NumberComma, Part::Whole, "number_comma"},
    {Kind::NumberPoint, Part::Whole, "number_point"},
    {Kind::EpochS, Part::Whole, "epoch_s"},
    {Kind::EpochMs, Part::Whole, "epoch_ms"},
    {Kind::EpochUs, Part::Whole, "epoch_us"},
    {Kind::EpochNs, Part::Whole, "epoch_ns"},
    {Kind::EpochDays, Part::Whole, "epoch_days"},
    {Kind::DateYmd, Part::Whole, "date_ymd"},
    {Kind::DateYmd, Part::Time, "date_ymd with time"},
    {Kind::DateYmd, Part::OffsetTime, "date_ymd with offset"},
    {Kind::DateDmy, Part::Whole, "date_dmy"},
    {Kind::DateDmy, Part::Time, "date_dmy with time"},
    {Kind::DateDmy, Part::OffsetTime, "date_dmy with offset"},
    {Kind::DateMdy, Part::Whole, "date_mdy"},
    {Kind::DateMdy, Part::Time, "date_mdy with time"},
    {Kind::DateMdy, Part::OffsetTime, "date_mdy with offset"},
    {Kind::Base64, Part::Whole, "base64"},
    {Kind::Base64Url, Part::Whole, "base64url"},
    {Kind::Hex, Part::Whole, "hex"},
    {Kind::ExtendedJson, Part::Number, "extended_json of a number"},
    {Kind::ExtendedJson, Part::Time, "extended_json of a time"},
    {Kind::ExtendedJson, Part::Text, "extended_json of a text"},
    {Kind::ExtendedJson, Part::Uuid, "extended_json of a uuid"},
    {Kind::ExtendedJson, Part::Binary, "extended_json of bytes"},
};
constexpr size_t kFixedCount = std::size(kFixed);

// Usual words for nothing, as they are spelled.
constexpr std::string_view kNothing[] = {
    "", " ", "-", "--", "---", "?", ".", "N/A", "n/a", "N/a", "NA", "na", "N.A.", "n.a.", "#N/A",
    "#NULL!", "NULL", "null", "Null", "(null)", "<null>", "\\N", "None", "none", "NONE", "nil",
    "Nil", "NIL", "NaN", "nan", "undefined", "unknown", "Unknown", "UNKNOWN", "missing", "empty",
    "0000-00-00", "0000-00-00 00:00:00",
    // German, French, Spanish, Italian, Portuguese, Dutch, Polish, Czech, Swedish, Turkish.
    "k. A.", "k.A.", "k.A", "keine Angabe", "unbekannt", "Unbekannt", "leer", "s/o", "S/O", "N/D",
    "n/d", "nd", "inconnu", "aucun", "néant", "s/d", "S/D", "sin dato", "sin datos", "ninguno",
    "desconocido", "n.d.", "N.D.", "nessuno", "sconosciuto", "nenhum", "não informado",
    "desconhecido", "n.v.t.", "onbekend", "brak", "b.d.", "nie dotyczy", "neuvedeno", "saknas",
    "okänd", "yok", "bilinmiyor",
    // Russian, Ukrainian, Greek, Arabic, Hindi, Chinese, Japanese, Korean.
    "нет", "нет данных", "н/д", "неизвестно", "немає", "δ/υ", "لا يوجد", "लागू नहीं", "无", "無",
    "空", "未知", "暂无", "なし", "不明", "該当なし", "없음", "미상"};
constexpr size_t kNothingCount = std::size(kNothing);

struct Pair {
  std::string_view yes, no;
};

constexpr Pair kPairs[] = {
    {"Y", "N"},      {"y", "n"},     {"yes", "no"},     {"Yes", "No"},      {"YES", "NO"},
    {"T", "F"},      {"t", "f"},     {"True", "False"}, {"TRUE", "FALSE"},  {"1", "0"},
    {"on", "off"},   {"On", "Off"},  {"ON", "OFF"},     {"J", "N"},         {"j", "n"},
    {"ja", "nein"},  {"Ja", "Nein"}, {"JA", "NEIN"},    {"wahr", "falsch"}, {"O", "N"},
    {"oui", "non"},  {"Oui", "Non"}, {"OUI", "NON"},    {"vrai", "faux"},   {"S", "N"},
    {"s", "n"},      {"si", "no"},   {"sí", "no"},      {"Sí", "No"},       {"SI", "NO"},
    {"sì", "no"},    {"sim", "não"}, {"Sim", "Não"},    {"ja", "nee"},      {"ja", "nej"},
    {"tak", "nie"},  {"ano", "ne"},  {"igen", "nem"},   {"kyllä", "ei"},    {"evet", "hayır"},
    {"да", "нет"},   {"Да", "Нет"},  {"так", "ні"},     {"ναι", "όχι"},     {"نعم", "لا"},
    {"हाँ", "नहीं"},   {"是", "否"},   {"有", "无"},      {"はい", "いいえ"}, {"○", "×"},
    {"예", "아니오"}};
constexpr size_t kPairCount = std::size(kPairs);

static_assert(kFixedCount + kNothingCount + kPairCount < 256);

Reading OfPair(const Pair& pair) {
  return {Kind::Boolean, {std::string(pair.yes), std::string(pair.no)}, 1};
}

const std::vector<std::string>& Codes() {
  static const auto& codes = *[] {
    auto* all = new std::vector<std::string>();
    for (const Fixed& fixed : kFixed) all->emplace_back(fixed.code);
    for (std::string_view word : kNothing) {
      all->push_back(Print(Reading{Kind::NullIf, {std::string(word)}, 0}));
    }
    for (const Pair& pair : kPairs) all->push_back(Print(OfPair(pair)));
    return all;
  }();
  return codes;
}

bool IsNothing(Form form) { return form >= kFixedCount && form < kFixedCount + kNothingCount; }
bool IsPair(Form form) { return form >= kFixedCount + kNothingCount; }

class Forms {
 public:
  explicit Forms(std::vector<Form>* forms) : forms_(*forms) {}

  void OfText(std::string_view text) {
    for (size_t i = 0; i < kNothingCount; ++i) {
      if (kNothing[i] == text) forms_.push_back(static_cast<Form>(kFixedCount + i));
    }
    OfWord(text);
    OfBytes(text);
    if (text.size() > kMaxLength || text.find_first_of("0123456789") == std::string_view::npos) {
      return;
    }
    if (base::IsJsonNumber(text)) {
      OfEpoch(text);
    }
    OfNumber(text);
    OfDate(text);
  }

  void OfNumberValue(std::string_view number) {
    OfWord(number);
    OfEpoch(number);
    if (base::IsCanonicalInteger(number)) OfDate(number, true);
  }

  void OfObject(json::Value object) {
    const json::Value key = object.First();
    if (!key || object.After(key)) return;
    const std::string_view name = key.text();
    const json::Value inner = object.ValueOf(key);
    if (name.substr(0, 7) == "$number") {
      Add(Kind::ExtendedJson, Part::Number);
    } else if (name == "$date") {
      Add(Kind::ExtendedJson, Part::Time);
    } else if (name == "$oid" || name == "$symbol") {
      Add(Kind::ExtendedJson, Part::Text);
    } else if (name == "$uuid") {
      Add(Kind::ExtendedJson, Part::Uuid);
    } else if (name == "$binary" && inner.kind() == json::Kind::Object) {
      Add(Kind::ExtendedJson, Part::Binary);
    }
  }

 private:
  void Add(Kind kind, Part part) {
    for (size_t i = 0; i < kFixedCount; ++i) {
      if (kFixed[i].kind == kind && kFixed[i].part == part) {
        forms_.push_back(static_cast<Form>(i));
        return;
      }
    }
  }

  void OfWord(std::string_view text) {
    for (size_t i = 0; i < kPairCount; ++i) {
      if (kPairs[i].yes == text || kPairs[i].no == text) {
        forms_.push_back(static_cast<Form>(kFixedCount + kNothingCount + i));
      }
    }
  }

  void OfEpoch(std::string_view number) {
    struct Unit {
      Kind kind;
      int power;
    };
    constexpr Unit kUnits[] = {
        {Kind::EpochS, 6}, {Kind::EpochMs, 3}, {Kind::EpochUs, 0}, {Kind::EpochNs, -3}};
    constexpr int64_t kMicrosecondsPerDay = int64_t{86400} * 1000000;
    static const int64_t first = DaysFromCivil(1990, 1, 1), end = DaysFromCivil(2100, 1, 1);
    int64_t value = 0;
    for (const Unit& unit : kUnits) {
      if (ScaledInteger(number, unit.power, &value) && value >= first * kMicrosecondsPerDay &&
          value < end * kMicrosecondsPerDay) {
        Add(unit.kind, Part::Whole);
      }
    }
    if (ScaledInteger(number, 0, &value) && value >= first && value < end) {
      Add(Kind::EpochDays, Part::Whole);
    }
  }

  void OfNumber(std::string_view text) {
    const bool plain = NumberOf(text, Convention::Plain, &plain_);
    const bool comma = NumberOf(text, Convention::Comma, &number_);
    // "+1.234" is two numbers: a convention has to be known.
    if (plain && (!comma || plain_ == number_)) Add(Kind::Number, Part::Whole);
    if (comma) Add(Kind::NumberComma, Part::Whole);
    if (NumberOf(text, Convention::Point, &number_)) Add(Kind::NumberPoint, Part::Whole);
  }

  void OfDate(std::string_view text, bool year_first = false) {
    struct One {
      Kind kind;
      Order order;
    };
    constexpr One kOrders[] = {
        {Kind::DateYmd, Order::Ymd}, {Kind::DateDmy, Order::Dmy}, {Kind::DateMdy, Order::Mdy}};
    DateAndTime date;
    for (const One& one : kOrders) {
      if ((year_first && one.order != Order::Ymd) || !DateOf(text, one.order, &date)) continue;
      Add(one.kind, !date.has_time ? Part::Whole : date.has_offset ? Part::OffsetTime : Part::Time);
    }
  }

  // Short words may be anything.
  void OfBytes(std::string_view text) {
    constexpr size_t kLeast = 12, kMost = 4096;
    if (text.size() < kLeast || text.size() > kMost) return;
    bytes_.clear();
    if (AppendBase64AsHex(text, false, &bytes_)) Add(Kind::Base64, Part::Whole);
    bytes_.clear();
    if (AppendBase64AsHex(text, true, &bytes_)) Add(Kind::Base64Url, Part::Whole);
    const std::string_view digits = text.substr(text.substr(0, 2) == "0x" ? 2 : 0);
    if (digits.size() % 2 == 0 &&
        digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos) {
      Add(Kind::Hex, Part::Whole);
    }
  }

  std::vector<Form>& forms_;
  std::string plain_, number_, bytes_;
};

// Whether a reading of values of the form gives what a column of the family takes.
bool Serves(const Fixed& fixed, Family family, bool zone_known) {
  if (!Suits(fixed.kind, family)) return false;
  const bool time = family == Family::Timestamp || family == Family::TimestampTz;
  switch (fixed.kind) {
    case Kind::EpochS:
    case Kind::EpochMs:
    case Kind::EpochUs:
    case Kind::EpochNs: return time;
    case Kind::DateYmd:
    case Kind::DateDmy:
    case Kind::DateMdy:
      return family == Family::TimestampTz
                 ? fixed.part == Part::OffsetTime || (zone_known && fixed.part == Part::Time)
             : family == Family::Timestamp ? fixed.part != Part::OffsetTime
                                           : fixed.part == Part::Whole;
    case Kind::ExtendedJson:
      switch (fixed.part) {
        case Part::Number: return family == Family::Number || family == Family::Text;
        case Part::Time: return time || family == Family::Date;
        case Part::Text: return family == Family::Text || family == Family::Bytea;
        case Part::Uuid: return family == Family::Uuid || family == Family::Text;
        case Part::Binary: return family == Family::Bytea || family == Family::Uuid;
        default: return false;
      }
    default: return true;
  }
}

// Whether `one` says of what both claim what `other` says: then it is enough.
bool IsIncludedIn(Kind one, Kind other) {
  const bool number = other == Kind::NumberComma || other == Kind::NumberPoint;
  return (one == Kind::Number && number) || (one == Kind::Base64 && other == Kind::Base64Url);
}

}  // namespace

std::string_view Code(Form form) { return Codes()[form]; }

std::optional<Form> FormFromCode(std::string_view code) {
  const std::vector<std::string>& codes = Codes();
  const auto found = std::find(codes.begin(), codes.end(), code);
  if (found == codes.end()) return std::nullopt;
  return static_cast<Form>(found - codes.begin());
}

void AppendForms(json::Value value, std::vector<Form>* forms) {
  Forms of(forms);
  switch (value.kind()) {
    case json::Kind::String: return of.OfText(value.text());
    case json::Kind::Number: return of.OfNumberValue(value.text());
    case json::Kind::Object: return of.OfObject(value);
    default: return;
  }
}

std::optional<Reading> OnlyReading(Family family, int64_t rows,
                                   const std::vector<FormCount>& counts, int64_t fitting,
                                   bool zone_known) {
  if (rows <= 0 || fitting >= rows) return std::nullopt;
  std::vector<Reading> all;
  Reading nothing{Kind::NullIf, {}, 0};
  int64_t nothings = 0;
  std::array<int64_t, kKinds> by_kind{};
  for (const FormCount& one : counts) {
    if (IsNothing(one.form)) {
      nothings += one.count;
      nothing.words.emplace_back(kNothing[one.form - kFixedCount]);
    } else if (IsPair(one.form)) {
      if (one.count == rows && family == Family::Boolean) {
        all.push_back(OfPair(kPairs[one.form - kFixedCount - kNothingCount]));
      }
    } else if (Serves(kFixed[one.form], family, zone_known)) {
      by_kind[static_cast<size_t>(kFixed[one.form].kind)] += one.count;
    }
  }
  if (nothings == rows - fitting && Suits(Kind::NullIf, family)) all.push_back(std::move(nothing));
  for (size_t i = 0; i < kKinds; ++i) {
    const auto kind = static_cast<Kind>(i);
    const bool epoch = kind >= Kind::EpochS && kind <= Kind::EpochDays;  // no text of a time is one
    if (by_kind[i] == (epoch ? rows - fitting : rows)) all.push_back({static_cast<Kind>(i), {}, 0});
  }
  for (const Reading& one : all) {
    if (std::all_of(all.begin(), all.end(), [&](const Reading& other) {
          return one == other || IsIncludedIn(one.kind, other.kind);
        })) {
      return one;
    }
  }
  return std::nullopt;
}

}  // namespace mend::reading
