#include "server/ingest/offer.h"

#include "server/ingest/batch.h"
#include "server/ingest/progress.h"

namespace mend::ingest {
namespace {

constexpr std::string_view kBlanks = " \t\n\r";

std::string_view SkipBlanks(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

Counts Finish(Batch* batch) {
  batch->Flush();
  return batch->counts();
}

// PostgreSQL's parser asks nobody whether it may go on.
#if PG_VERSION_NUM >= 160000
JsonParseErrorType OnElement(void*, bool) {
  CHECK_FOR_INTERRUPTS();
  return JSON_SUCCESS;
}
JsonParseErrorType OnField(void*, char*, bool) {
  CHECK_FOR_INTERRUPTS();
  return JSON_SUCCESS;
}
#else
void OnElement(void*, bool) { CHECK_FOR_INTERRUPTS(); }
void OnField(void*, char*, bool) { CHECK_FOR_INTERRUPTS(); }
#endif

JsonLexContext* MakeLexer(std::string_view text) {
#if PG_VERSION_NUM >= 170000
  return makeJsonLexContextCstringLen(nullptr, text.data(), text.size(), GetDatabaseEncoding(),
                                      false);
#else
  return makeJsonLexContextCstringLen(const_cast<char*>(text.data()), static_cast<int>(text.size()),
                                      GetDatabaseEncoding(), false);
#endif
}

// Whether PostgreSQL's grammar takes the text: then only its content cannot be stored. So it is
// with text too deep for its parser: where its brackets do not match, the array's own end is
// missing.
bool IsJson(std::string_view text) {
  bool valid = true;
  const std::optional<pg::Error> too_deep = pg::Attempt([&] {
    valid = pg::Call([&] {
      JsonSemAction actions = {};
      actions.array_element_start = OnElement;
      actions.object_field_start = OnField;
      return pg_parse_json(MakeLexer(text), &actions) == JSON_SUCCESS;
    });
  });
  return valid || too_deep;
}

// Walks the elements of an array's text.
class ArrayWalk {
 public:
  explicit ArrayWalk(std::string_view text) : whole_(text), rest_(SkipBlanks(text).substr(1)) {}

  enum class Step : uint8_t { Element, Unstorable, End, Broken };

  // With Element and Unstorable, text() is the element; with Unstorable and Broken, failure() says
  // why.
  Step Next(json::Document* document) {
    rest_ = SkipBlanks(rest_);
    if (first_ ? Take(']') : !Take(',')) {
      return first_ || Take(']') ? AtEnd() : Break("a comma or closing bracket was expected");
    }
    first_ = false;
    rest_ = SkipBlanks(rest_);
    size_t consumed = 0;
    const std::optional<json::Document::Failure> failure = document->ParsePrefix(rest_, &consumed);
    text_ = rest_.substr(0, consumed);
    if (failure && !IsJson(text_)) {
      return Break(failure->message.c_str(), failure->offset);
    }
    rest_.remove_prefix(consumed);
    if (failure) {
      failure_ = *failure;
    }
    return failure ? Step::Unstorable : Step::Element;
  }

  std::string_view text() const { return text_; }
  const json::Document::Failure& failure() const { return failure_; }

 private:
  bool Take(char c) {
    if (rest_.empty() || rest_[0] != c) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }
  Step AtEnd() {
    rest_ = SkipBlanks(rest_);
    return rest_.empty() ? Step::End : Break("text follows the value");
  }
  Step Break(const char* message, size_t offset = 0) {
    failure_ = {message, whole_.size() - rest_.size() + offset};
    return Step::Broken;
  }

  std::string_view whole_, rest_, text_;
  bool first_ = true;
  json::Document::Failure failure_;
};

// nullopt: the array is whole.
std::optional<json::Document::Failure> FindBreak(std::string_view array) {
  json::Document document;
  pg::Context memory("pg_mend array check");
  pg::Switch here(memory.get());
  ArrayWalk walk(array);
  for (;;) {
    pg::CheckInterrupts();
    switch (walk.Next(&document)) {
      case ArrayWalk::Step::End: return std::nullopt;
      case ArrayWalk::Step::Broken: return walk.failure();
      default: break;
    }
  }
}

Counts LoadArray(Oid relid, std::string_view array) {
  Batch batch(relid);
  if (const std::optional<json::Document::Failure> failure = FindBreak(array)) {
    batch.AddMalformed(array, *failure);
    return Finish(&batch);
  }
  json::Document document;
  ArrayWalk walk(array);
  Progress progress(relid, array.size());
  for (;;) {
    switch (walk.Next(&document)) {
      case ArrayWalk::Step::Element: batch.Add(document, walk.text()); break;
      case ArrayWalk::Step::Unstorable: batch.AddMalformed(walk.text(), walk.failure()); break;
      default: progress.End(); return Finish(&batch);
    }
    progress.Report(static_cast<size_t>(walk.text().data() - array.data()), batch.counts());
  }
}

bool IsArray(std::string_view text) {
  const std::string_view value = SkipBlanks(text);
  return !value.empty() && value[0] == '[';
}

}  // namespace

Counts InsertText(Oid relid, std::string_view payload) {
  Batch batch(relid);
  batch.AddText(payload);
  return Finish(&batch);
}

Counts InsertJsonb(Oid relid, Jsonb* payload) {
  Batch batch(relid);
  batch.AddJsonb(convert::WholeOf(payload));
  return Finish(&batch);
}

Counts LoadText(Oid relid, std::string_view payloads) {
  payloads = WithoutMark(payloads);
  if (IsArray(payloads)) {
    return LoadArray(relid, payloads);
  }
  Batch batch(relid);
  const char* const begin = payloads.data();
  Progress progress(relid, payloads.size());
  while (!payloads.empty()) {
    const size_t end = payloads.find('\n');
    std::string_view line = payloads.substr(0, end);
    payloads.remove_prefix(end == std::string_view::npos ? payloads.size() : end + 1);
    if (!line.empty() && line.back() == '\r') {
      line.remove_suffix(1);
    }
    if (!SkipBlanks(line).empty()) {
      batch.AddText(line);
    }
    progress.Report(static_cast<size_t>(payloads.data() - begin), batch.counts());
  }
  progress.End();
  return Finish(&batch);
}

Counts LoadJson(Oid relid, std::string_view payloads) {
  return IsArray(payloads) ? LoadArray(relid, payloads) : InsertText(relid, payloads);
}

Counts LoadJsonb(Oid relid, Jsonb* payloads) {
  if (!JB_ROOT_IS_ARRAY(payloads) || JB_ROOT_IS_SCALAR(payloads)) {
    return InsertJsonb(relid, payloads);
  }
  Batch batch(relid);
  Progress progress(relid, VARSIZE(payloads));
  const auto count = static_cast<uint32_t>(JB_ROOT_COUNT(payloads));
  convert::JsonbParts elements(&payloads->root);
  for (uint32_t i = 0; i < count; ++i) {
    const convert::JsonbPart element = elements.Next();
    batch.AddJsonb(element);
    progress.Report(static_cast<size_t>(element.data - reinterpret_cast<const char*>(payloads)),
                    batch.counts());
  }
  progress.End();
  return Finish(&batch);
}

}  // namespace mend::ingest
