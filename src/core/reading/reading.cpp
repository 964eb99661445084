#include "core/reading/reading.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "core/base/json.h"

namespace mend::reading {
namespace {

// In the order of Kind.
constexpr std::string_view kNames[] = {"null_if",      "epoch_s",    "epoch_ms",   "epoch_us",
                                       "epoch_ns",     "epoch_days", "number",     "number_comma",
                                       "number_point", "boolean",    "date_ymd",   "date_dmy",
                                       "date_mdy",     "time_zone",  "base64",     "base64url",
                                       "hex",          "json_text",  "parse_json", "extended_json"};
static_assert(std::size(kNames) == kKinds);

constexpr char kHint[] =
    "Readings are null_if(\"\", \"N/A\"), epoch_s, epoch_ms, epoch_us, epoch_ns, epoch_days, "
    "number, number_comma, number_point, boolean(\"Y\" | \"N\"), date_ymd, date_dmy, date_mdy, "
    "time_zone(\"Europe/Berlin\"), base64, base64url, hex, json_text, parse_json and "
    "extended_json; several are separated by commas.";

bool HasWords(Kind kind) {
  return kind == Kind::NullIf || kind == Kind::Boolean || kind == Kind::TimeZone;
}

// Reads the text from left to right.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  base::Result<Readings> Run() {
    Readings readings;
    do {
      Reading reading;
      if (!TakeReading(&reading)) return Failure();
      for (const Reading& before : readings) {
        if (before.kind == reading.kind) {
          why_ = "reading \"" + std::string(Name(reading.kind)) + "\" is named twice";
          return Failure();
        }
      }
      readings.push_back(std::move(reading));
      if (readings.size() > kMaxReadings) {
        why_ = "a column has at most " + std::to_string(kMaxReadings) + " readings";
        return Failure();
      }
    } while (Take(',') || Take('|'));
    SkipBlanks();
    if (!rest_.empty()) {
      why_ = "a reading ends in something that is no part of it: " + Clipped(rest_);
      return Failure();
    }
    return readings;
  }

 private:
  base::Error Failure() const { return {"22023", why_, kHint}; }

  static std::string Clipped(std::string_view text) {
    std::string out;
    json::AppendQuoted(&out, text.substr(0, 40));
    return out;
  }

  void SkipBlanks() {
    const size_t first = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(first == std::string_view::npos ? rest_.size() : first);
  }

  bool Take(char c) {
    SkipBlanks();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool TakeReading(Reading* reading) {
    SkipBlanks();
    const size_t size =
        std::min(rest_.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), rest_.size());
    const std::string_view name = rest_.substr(0, size);
    const auto* found = std::find(std::begin(kNames), std::end(kNames), name);
    if (name.empty() || found == std::end(kNames)) {
      why_ = name.empty()
                 ? "a reading is expected" + (rest_.empty() ? "" : ", not " + Clipped(rest_))
                 : "there is no reading \"" + std::string(name.substr(0, 80)) + "\"";
      return false;
    }
    rest_.remove_prefix(size);
    reading->kind = static_cast<Kind>(found - std::begin(kNames));
    const bool open = Take('(');
    if (!HasWords(reading->kind)) {
      if (open) why_ = "reading \"" + std::string(name) + "\" takes nothing in parentheses";
      return !open;
    }
    if (!open) {
      why_ = "reading \"" + std::string(name) + "\" needs words in parentheses, in double quotes";
      return false;
    }
    return TakeWords(reading);
  }

  bool TakeWords(Reading* reading) {
    const std::string name(Name(reading->kind));
    bool bar = false;
    do {
      std::string word;
      if (!TakeWord(&word)) {
        why_ = "reading \"" + name + "\": a word in double quotes is expected, of at most " +
               std::to_string(kMaxWordBytes) + " bytes";
        return false;
      }
      if (std::find(reading->words.begin(), reading->words.end(), word) != reading->words.end()) {
        why_ = "reading \"" + name + "\" names " + Clipped(word) + " twice";
        return false;
      }
      reading->words.push_back(std::move(word));
      if (reading->words.size() > kMaxWords) {
        why_ = "reading \"" + name + "\" has more than " + std::to_string(kMaxWords) + " words";
        return false;
      }
      if (reading->kind == Kind::Boolean && !bar && Take('|')) {
        bar = true;
        reading->trues = reading->words.size();
        continue;
      }
      if (!Take(',')) break;
    } while (true);
    if (!Take(')')) {
      why_ = "reading \"" + name + "\" is not closed by a parenthesis";
      return false;
    }
    if (reading->kind == Kind::Boolean && !bar) {
      why_ = "reading \"boolean\" needs the words for true, a bar, and those for false";
      return false;
    }
    if (reading->kind == Kind::TimeZone && reading->words.size() != 1) {
      why_ = "reading \"time_zone\" takes one time zone";
      return false;
    }
    return true;
  }

  bool TakeWord(std::string* word) {
    SkipBlanks();
    if (rest_.empty() || rest_[0] != '"') return false;
    json::Document document;
    size_t consumed = 0;
    if (document.ParsePrefix(rest_, &consumed) || document.root().kind() != json::Kind::String) {
      return false;
    }
    *word = document.root().text();
    rest_.remove_prefix(consumed);
    return word->size() <= kMaxWordBytes;
  }

  std::string_view rest_;
  std::string why_;
};

}  // namespace

std::string_view Name(Kind kind) { return kNames[static_cast<size_t>(kind)]; }

base::Result<Readings> Parse(std::string_view text) { return Parser(text).Run(); }

std::string Print(const Reading& reading) {
  std::string out(Name(reading.kind));
  if (!HasWords(reading.kind)) return out;
  out += '(';
  for (size_t i = 0; i < reading.words.size(); ++i) {
    if (i > 0) out += reading.kind == Kind::Boolean && i == reading.trues ? " | " : ", ";
    json::AppendQuoted(&out, reading.words[i]);
  }
  return out + ')';
}

std::string Print(const Readings& readings) {
  std::string out;
  for (const Reading& reading : readings) {
    if (!out.empty()) out += ", ";
    out += Print(reading);
  }
  return out;
}

Readings Joined(Readings readings, const Readings& more) {
  for (const Reading& reading : more) {
    const auto same = std::find_if(readings.begin(), readings.end(),
                                   [&](const Reading& held) { return held.kind == reading.kind; });
    if (same == readings.end()) {
      readings.push_back(reading);
    } else if (reading.kind == Kind::NullIf) {
      for (const std::string& word : reading.words) {
        if (std::find(same->words.begin(), same->words.end(), word) == same->words.end()) {
          same->words.push_back(word);
        }
      }
    } else {
      *same = reading;
    }
  }
  return readings;
}

bool Suits(Kind kind, Family family) {
  const bool time =
      family == Family::Date || family == Family::Timestamp || family == Family::TimestampTz;
  switch (kind) {
    case Kind::NullIf:
      return family != Family::Text && family != Family::Json && family != Family::Char;
    case Kind::EpochS:
    case Kind::EpochMs:
    case Kind::EpochUs:
    case Kind::EpochNs:
    case Kind::DateYmd:
    case Kind::DateDmy:
    case Kind::DateMdy: return time;
    case Kind::EpochDays: return family == Family::Date;
    case Kind::Number:
    case Kind::NumberComma:
    case Kind::NumberPoint: return family == Family::Number;
    case Kind::Boolean: return family == Family::Boolean;
    case Kind::TimeZone: return family == Family::TimestampTz;
    case Kind::Base64:
    case Kind::Base64Url:
    case Kind::Hex: return family == Family::Bytea;
    case Kind::JsonText: return family == Family::Text;
    case Kind::ParseJson: return family == Family::Json;
    case Kind::ExtendedJson:
      return time || family == Family::Number || family == Family::Bytea ||
             family == Family::Uuid || family == Family::Text;
  }
  return false;
}

std::string NamesFor(Family family) {
  std::string out;
  for (size_t i = 0; i < kKinds; ++i) {
    if (!Suits(static_cast<Kind>(i), family)) continue;
    if (!out.empty()) out += ", ";
    out += kNames[i];
  }
  return out;
}

}  // namespace mend::reading
