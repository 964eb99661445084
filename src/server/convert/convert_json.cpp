// JSON values to json and jsonb.
#include "server/convert/convert.h"

namespace mend::convert {
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
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("JSON is nested too deep")));
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
  if (!values_) {
    return true;
  }
  const json::Token& token = value.token();
  if (token.end != 0) {
    *out = Text(value.document()->source().substr(token.begin, token.end - token.begin), 0);
  } else {
    *out = Text(value.Serialise(json::Value::Space::Jsonb), 0);
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
      return Fail(drift::Kind::Lossy, drift::Cause::DuplicateKeyInside, "22030",
                  "type jsonb would drop a duplicate key of " + Quote(value));
    case Built::NumberTooLarge: break;
  }
  return Fail(drift::Kind::OutOfRange, drift::Cause::PastNumeric, "22003",
              "value overflows numeric format, in " + Quote(value));
}

bool Converter::ToJsonbObject(const json::Document& tape,
                              const std::vector<JsonbBytes::NamedValue>& members, Datum* out) {
  return JsonbVerdict(jsonb_.WriteObjectOf(tape.tokens(), members, &arena_, out), tape.root());
}

bool Converter::ToJsonb(json::Value value, Datum* out) {
  if (!values_ && JsonbBytes::TakesAtALook(value.document()->tokens(), value.index())) {
    return true;
  }
  if (JsonbBytes::Takes(value.document()->tokens(), value.index())) {
    return JsonbVerdict(jsonb_.Write(value.document()->tokens(), value.index(), &arena_, out),
                        value);
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
  if (error && pg::MustRaise(*error)) {
    throw *error;
  }
  if (error) {
    fault_ = FaultOf(*error);
    return false;
  }
  *out = JsonbPGetDatum(jsonb);
  return built;
}

}  // namespace mend::convert
