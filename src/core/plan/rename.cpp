#include "core/plan/rename.h"

#include <algorithm>
#include <iterator>

#include "core/plan/identifier.h"
#include "core/plan/lattice.h"

namespace mend::plan {
namespace {

using drift::Drift;
using drift::Kind;

// Among more new fields than these nobody looks for a rename.
constexpr size_t kMostNewFields = 32;
constexpr size_t kMinAbbreviation = 2;
constexpr size_t kMinPrefix = 3;

std::vector<std::string> WordsOf(std::string_view name) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : Normalise(name) + "_") {
    if (c != '_') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return words;
}

std::string DigitsOf(std::string_view name) {
  std::string digits;
  std::copy_if(name.begin(), name.end(), std::back_inserter(digits),
               [](char c) { return c >= '0' && c <= '9'; });
  return digits;
}

// One letter for another is a spelling (organise, licence) or another word.
size_t Replacement(char one, char other) {
  constexpr std::string_view kVowels = "aeiouy", kHisses = "csz";
  const auto both = [&](std::string_view letters) {
    return letters.find(one) != std::string_view::npos &&
           letters.find(other) != std::string_view::npos;
  };
  return one == other ? 0 : both(kVowels) || both(kHisses) ? 1 : 2;
}

// Insertions and deletions, replacements, and neighbours swapped, that make one of the other.
size_t Distance(std::string_view one, std::string_view other) {
  std::vector<std::vector<size_t>> rows(one.size() + 1, std::vector<size_t>(other.size() + 1));
  for (size_t i = 0; i <= one.size(); ++i) rows[i][0] = i;
  for (size_t j = 0; j <= other.size(); ++j) rows[0][j] = j;
  for (size_t i = 1; i <= one.size(); ++i) {
    for (size_t j = 1; j <= other.size(); ++j) {
      const size_t change = Replacement(one[i - 1], other[j - 1]);
      rows[i][j] = std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1]) {
        rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[one.size()][other.size()];
}

// A typing error or another spelling: one change in every six characters, and not the first, which
// tells height from weight.
bool SpelledAlike(std::string_view one, std::string_view other) {
  constexpr size_t kCharactersAChange = 6;
  return one == other ||
         (one.substr(0, 1) == other.substr(0, 1) &&
          Distance(one, other) <= std::max(one.size(), other.size()) / kCharactersAChange);
}

// What makes another word of one, rather than ends one that was cut short: newer, action.
bool IsEnding(std::string_view rest) {
  constexpr std::string_view kEndings[] = {"able", "al",  "ed",  "er",   "ers",  "est",
                                           "ful",  "ing", "ion", "ions", "less", "ly",
                                           "ness", "or",  "ors", "y"};
  return std::find(std::begin(kEndings), std::end(kEndings), rest) != std::end(kEndings);
}
bool IsPlural(std::string_view rest) { return rest == "s" || rest == "es"; }

// Its first letter, and some of the others in their order: qty of quantity, cust of customer.
bool Abbreviates(std::string_view brief, std::string_view word) {
  if (brief.size() < kMinAbbreviation || brief.size() >= word.size() || brief[0] != word[0]) {
    return false;
  }
  if (word.substr(0, brief.size()) == brief) {
    std::string_view rest = word.substr(brief.size());
    if (rest[0] == brief.back() && IsEnding(rest.substr(1))) rest.remove_prefix(1);  // shipped
    return brief.size() >= kMinPrefix &&
           (IsPlural(rest) || (rest.size() >= kMinPrefix && !IsEnding(rest)));
  }
  constexpr std::string_view kVowels = "aeiou";
  size_t at = 1;
  for (size_t i = 1; i < word.size() && at < brief.size(); ++i) {
    if (word[i] == brief[at]) ++at;
  }
  return at == brief.size() && brief.find_first_of(kVowels, 1) == std::string_view::npos;
}

bool MeanTheSameWord(const std::string& one, const std::string& other) {
  return one == other || Abbreviates(one, other) || Abbreviates(other, one) ||
         SpelledAlike(one, other);
}

// Words that say what a value is rather than what it is of: email_address, phone_number.
bool IsNeutral(const std::string& word) {
  constexpr std::string_view kWords[] = {"address", "amount", "at",   "code",      "date",
                                         "id",      "name",   "no",   "nr",        "num",
                                         "number",  "text",   "time", "timestamp", "value"};
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

// Words that make another thing of what they stand beside: old_price, first_name, parent_id.
bool TellsApart(const std::string& word) {
  constexpr std::string_view kWords[] = {"avg",    "begin", "child",    "count", "end",  "first",
                                         "from",   "has",   "in",       "is",    "last", "max",
                                         "min",    "new",   "next",     "not",   "old",  "out",
                                         "parent", "prev",  "previous", "start", "to",   "un"};
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

// Whether every word of `few` stands for one of `many`, in whatever order. `plainly`: what is left
// of `many` is neutral.
bool AreAmong(const std::vector<std::string>& few, std::vector<std::string> many, bool plainly) {
  for (const std::string& word : few) {
    const auto found = std::find_if(many.begin(), many.end(), [&](const std::string& other) {
      return MeanTheSameWord(word, other);
    });
    if (found == many.end()) return false;
    many.erase(found);
  }
  return plainly ? std::all_of(many.begin(), many.end(), IsNeutral)
                 : std::none_of(many.begin(), many.end(), TellsApart);
}

// Whether the column's type holds the values as what they are: text holds numbers, too, but a
// column of names has not become one of numbers.
bool TakesKind(const Column& column, const Drift& fresh) {
  const drift::Profile& profile = fresh.profile;
  if (profile.rows() == 0 || WidenFor(column.type, profile) != column.type) return false;
  const bool text = column.type.oid == type_oid::kText || column.type.oid == type_oid::kVarchar ||
                    column.type.oid == type_oid::kBpchar;
  if (text) {
    const int64_t numbers =
        profile.strings(drift::Format::Integer) + profile.strings(drift::Format::Number);
    return profile.numbers() == 0 && profile.booleans() == 0 && profile.strings() > numbers;
  }
  const bool json = column.type.oid == type_oid::kJsonb || column.type.oid == type_oid::kJson;
  return !json || profile.objects() > 0 || profile.arrays() > 0;
}

bool IsMissing(const drift::DriftSet& drifts, const std::string& column) {
  return std::any_of(drifts.begin(), drifts.end(), [&](const Drift& drift) {
    return drift.kind == Kind::MissingRequired && drift.column == column;
  });
}

bool Drifts(const drift::DriftSet& drifts, const std::string& column) {
  return std::any_of(drifts.begin(), drifts.end(),
                     [&](const Drift& drift) { return drift.column == column; });
}

}  // namespace

bool NamesAreAlike(std::string_view one, std::string_view other, bool plainly) {
  if (DigitsOf(one) != DigitsOf(other)) return false;
  const std::vector<std::string> first = WordsOf(one), second = WordsOf(other);
  if (first.empty() || second.empty()) return false;
  std::string joined_first, joined_second;
  for (const std::string& word : first) joined_first += word;
  for (const std::string& word : second) joined_second += word;
  return joined_first == joined_second || SpelledAlike(joined_first, joined_second) ||
         (first.size() <= second.size() ? AreAmong(first, second, plainly)
                                        : AreAmong(second, first, plainly));
}

std::vector<Rename> RenameCandidates(const Shape& shape, const drift::DriftSet& drifts) {
  std::vector<const Drift*> fresh;
  for (const Drift& drift : drifts) {
    if (drift.kind == Kind::NewField && drift.cause != drift::Cause::SharesNoKey) {
      fresh.push_back(&drift);
    }
  }
  if (fresh.size() > kMostNewFields) return {};
  std::vector<Rename> all;
  for (const Drift* drift : fresh) {
    for (const Column& column : shape.columns) {
      const bool required = IsMissing(drifts, column.name);
      const bool may_be_empty = !column.not_null && !column.has_default;
      if (column.generated == Generated::No &&
          (required || (may_be_empty && !Drifts(drifts, column.name))) &&
          NamesAreAlike(drift->field, column.name, !required) && TakesKind(column, *drift)) {
        all.push_back({drift->field, column.name, required});
      }
    }
  }
  std::vector<Rename> candidates;
  for (const Rename& rename : all) {
    const auto rivals = std::count_if(all.begin(), all.end(), [&](const Rename& other) {
      return (other.required || !rename.required) &&
             (other.field == rename.field || other.column == rename.column);
    });
    if (rivals == 1) candidates.push_back(rename);
  }
  return candidates;
}

}  // namespace mend::plan
