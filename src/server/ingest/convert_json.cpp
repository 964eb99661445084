// JSON values to json and jsonb, and back to a tape.
#include "server/ingest/convert.h"
#include "server/ingest/evaluate.h"
#include "server/ingest/numeric_digits.h"
#include "server/ingest/store.h"

namespace mend::ingest {
namespace {

// Past this, jsonb's own limits are near: let it refuse in a subtransaction.
constexpr uint32_t kLargeJson = 64 * 1024 * 1024;
constexpr int kInterruptEvery = 4096;

struct OpenContainer {
  uint32_t end;   // index of the first token behind it
  uint32_t size;  // members or elements
  bool object;
  bool at_key;
};

// Writes the tokens of one value to a jsonb value under construction. Owns nothing: everything is
// in CurrentMemoryContext, so that an error may jump out of it.
class JsonbWriter {
 public:
  Built Write(const std::vector<json::Token>& tokens, uint32_t first, JsonbValue** result) {
    open_ = static_cast<OpenContainer*>(palloc(sizeof(OpenContainer) * (json::kMaxDepth + 2)));
    const uint32_t end = tokens[first].next;
    for (uint32_t i = first; i < end; ++i) {
      if ((i - first) % kInterruptEvery == kInterruptEvery - 1) {
        CHECK_FOR_INTERRUPTS();
      }
      if (!CloseUpTo(i)) {
        return Built::DuplicateKey;
      }
      if (!Take(tokens[i])) {
        return Built::NumberTooLarge;
      }
    }
    if (!CloseUpTo(end)) {
      return Built::DuplicateKey;
    }
    if (last_ == nullptr) {
      last_ = static_cast<JsonbValue*>(palloc(sizeof(JsonbValue)));
      *last_ = scalar_;
    }
    *result = last_;
    return Built::Done;
  }

 private:
  bool CloseUpTo(uint32_t index) {
    while (depth_ > 0 && open_[depth_ - 1].end == index) {
      const OpenContainer& container = open_[--depth_];
      last_ = pushJsonbValue(&state_, container.object ? WJB_END_OBJECT : WJB_END_ARRAY, nullptr);
      // Pushing the end removes duplicate keys, silently.
      if (container.object && static_cast<uint32_t>(last_->val.object.nPairs) != container.size) {
        return false;
      }
    }
    return true;
  }

  bool Take(const json::Token& token) {
    if (token.kind == json::Kind::Array || token.kind == json::Kind::Object) {
      const bool object = token.kind == json::Kind::Object;
      if (depth_ > 0) {
        open_[depth_ - 1].at_key = true;
      }
      if (depth_ > json::kMaxDepth) {
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("JSON is nested too deep")));
      }
      open_[depth_++] = {token.next, token.size, object, true};
      pushJsonbValue(&state_, object ? WJB_BEGIN_OBJECT : WJB_BEGIN_ARRAY, nullptr);
      return true;
    }
    if (!ReadScalar(token)) {
      return false;
    }
    if (depth_ == 0) {
      return true;
    }
    OpenContainer& container = open_[depth_ - 1];
    JsonbIteratorToken role = WJB_ELEM;
    if (container.object) {
      role = container.at_key ? WJB_KEY : WJB_VALUE;
      container.at_key = !container.at_key;
    }
    pushJsonbValue(&state_, role, &scalar_);
    return true;
  }

  bool ReadScalar(const json::Token& token) {
    Datum number = 0;
    switch (token.kind) {
      case json::Kind::Null: scalar_.type = jbvNull; break;
      case json::Kind::True:
      case json::Kind::False:
        scalar_.type = jbvBool;
        scalar_.val.boolean = token.kind == json::Kind::True;
        break;
      case json::Kind::Number:
        if (!NumericFrom({token.data, token.size}, -1, &number)) {
          return false;
        }
        scalar_.type = jbvNumeric;
        scalar_.val.numeric = DatumGetNumeric(number);
        break;
      default:
        scalar_.type = jbvString;
        scalar_.val.string.val = const_cast<char*>(token.data);
        scalar_.val.string.len = static_cast<int>(token.size);
    }
    return true;
  }

  JsonbParseState* state_ = nullptr;
  JsonbValue* last_ = nullptr;
  JsonbValue scalar_;
  OpenContainer* open_ = nullptr;
  uint32_t depth_ = 0;
};

}  // namespace

bool Converter::ToJson(json::Value value, Datum* out) {
  const json::Token& token = value.token();
  if (token.end != 0) {
    *out = Text(value.document()->source().substr(token.begin, token.end - token.begin), 0);
  } else {
    *out = Text(value.Serialise(), 0);
  }
  return true;
}

bool Converter::BuildJsonb(json::Value value, Jsonb** out) {
  const std::vector<json::Token>& tokens = value.document()->tokens();
  const uint32_t first = value.index();
  const Built built = pg::Call([&] {
    JsonbWriter writer;
    JsonbValue* result = nullptr;
    const Built state = writer.Write(tokens, first, &result);
    if (state == Built::Done) {
      *out = JsonbValueToJsonb(result);
    }
    return state;
  });
  return JsonbVerdict(built, value);
}

bool Converter::JsonbVerdict(Built built, json::Value value) {
  switch (built) {
    case Built::Done: return true;
    case Built::DuplicateKey:
      return Fail(drift::Kind::Lossy, "22030", "type jsonb would drop a duplicate key of " + Quote(value));
    case Built::NumberTooLarge: break;
  }
  return Fail(drift::Kind::OutOfRange, "22003", "value overflows numeric format, in " + Quote(value));
}

bool Converter::ToJsonb(json::Value value, Datum* out) {
  if (JsonbBytes::Takes(value.document()->tokens(), value.index())) {
    return JsonbVerdict(jsonb_.Write(value.document()->tokens(), value.index(), &arena_, out), value);
  }
  Jsonb* jsonb = nullptr;
  const json::Token& token = value.token();
  if (token.end - token.begin <= kLargeJson && token.size <= kLargeJson) {
    const bool built = BuildJsonb(value, &jsonb);
    *out = JsonbPGetDatum(jsonb);
    return built;
  }
  bool built = false;
  const std::optional<pg::Error> error = pg::Attempt([&] { built = BuildJsonb(value, &jsonb); });
  if (error && MustRaise(*error)) {
    throw *error;
  }
  if (error) {
    fault_ = FaultOf(*error);
    return false;
  }
  *out = JsonbPGetDatum(jsonb);
  return built;
}

namespace {

void AddNumber(Numeric number, json::Document* document) {
  char text[kMaxNumericText];
  const size_t size = WriteNumericText(VARDATA_ANY(number), VARSIZE_ANY_EXHDR(number), text);
  if (size == 0) {
    document->Add(json::Kind::Number, DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number))));
    return;
  }
  auto* copy = static_cast<char*>(palloc(size));
  memcpy(copy, text, size);
  document->Add(json::Kind::Number, {copy, size});
}

void AddScalar(const JsonbValue& value, json::Document* document) {
  switch (value.type) {
    case jbvNull: return document->Add(json::Kind::Null);
    case jbvBool: return document->Add(value.val.boolean ? json::Kind::True : json::Kind::False);
    case jbvNumeric: return AddNumber(value.val.numeric, document);
    default:
      return document->Add(json::Kind::String, {value.val.string.val, static_cast<size_t>(value.val.string.len)});
  }
}

bool ReadContainer(JsonbContainer* container, json::Document* document) {
  uint32_t depth = 0;
  JsonbIterator* iterator = JsonbIteratorInit(container);
  JsonbValue value;
  for (;;) {
    switch (JsonbIteratorNext(&iterator, &value, false)) {
      case WJB_DONE: return true;
      case WJB_BEGIN_OBJECT:
        if (++depth > json::kMaxDepth) return false;
        document->Open(json::Kind::Object);
        break;
      case WJB_BEGIN_ARRAY:
        if (++depth > json::kMaxDepth) return false;
        if (!value.val.array.rawScalar) document->Open(json::Kind::Array);
        break;
      case WJB_END_OBJECT:
        --depth;
        document->Close();
        break;
      case WJB_END_ARRAY:
        --depth;
        if (!JsonContainerIsScalar(container)) document->Close();
        break;
      default: AddScalar(value, document);
    }
  }
}

}  // namespace

bool TapeFromContainer(JsonbContainer* container, json::Document* document) {
  document->Reset();
  // The document is touched only between PostgreSQL's functions, and owns its memory whole at every moment.
  return pg::Call([&] { return ReadContainer(container, document); });
}

}  // namespace mend::ingest
