#include "core/base/json_merge.h"

#include <unordered_map>
#include <vector>

#include "core/base/long_work.h"

namespace mend::json {
namespace {

class Merger {
 public:
  std::string Take(Value target, Value patch) {
    Merge(target, patch);
    return std::move(out_);
  }

 private:
  // As deep as the patch, whose depth is bounded.
  void Merge(Value target, Value patch) {
    if (patch.kind() != Kind::Object) {
      out_ += patch.Serialise();
      return;
    }
    std::unordered_map<std::string_view, Value> changes;
    for (Value key = patch.First(); key; key = patch.After(key)) {
      changes[key.text()] = patch.ValueOf(key);
    }
    if (target && target.kind() == Kind::Object) {
      MergeObject(target, patch, &changes);
      return;
    }
    out_ += '{';
    AppendNew(patch, changes, false);
    out_ += '}';
  }

  // What stands between the members stays where the members do.
  void MergeObject(Value target, Value patch,
                   std::unordered_map<std::string_view, Value>* changes) {
    std::unordered_map<std::string_view, Value> left = *changes;
    const std::string_view source = target.document()->source();
    bool any = false;
    out_ += '{';
    size_t gap = target.token().begin + 1;  // where the blanks before the member begin
    for (Value key = target.First(); key; key = target.After(key)) {
      work_.Took();
      const Value value = target.ValueOf(key);
      const auto change = changes->find(key.text());
      const size_t begin = gap, end = value.token().end;
      // The comma is the next member's.
      const auto member = [&] {
        std::string_view before = source.substr(begin, key.token().begin - begin);
        const size_t comma = before.find(',');
        if (comma != std::string_view::npos && !any) {
          before.remove_prefix(comma + 1);
        }
        out_ += before;
        any = true;
      };
      gap = end;
      if (change == changes->end()) {
        member();
        out_ += source.substr(key.token().begin, end - key.token().begin);
        continue;
      }
      if (change->second.kind() == Kind::Null || left.erase(key.text()) == 0) {
        left.erase(key.text());
        continue;
      }
      member();
      out_ += source.substr(key.token().begin, value.token().begin - key.token().begin);
      Merge(value, change->second);
    }
    any = AppendNew(patch, left, any);
    out_ += source.substr(gap, target.token().end - gap);
  }

  // What the patch adds, in its order. Nothing is made of null.
  bool AppendNew(Value patch, const std::unordered_map<std::string_view, Value>& left, bool any) {
    for (Value key = patch.First(); key; key = patch.After(key)) {
      const auto change = left.find(key.text());
      // Of a key that the patch has twice, the last counts.
      if (change == left.end() || change->second.index() != patch.ValueOf(key).index() ||
          change->second.kind() == Kind::Null) {
        continue;
      }
      if (any) out_ += ',';
      any = true;
      AppendQuoted(&out_, key.text());
      out_ += ':';
      Merge(Value(), change->second);
    }
    return any;
  }

  std::string out_;
  base::LongWork work_;
};

}  // namespace

std::string MergePatch(Value target, Value patch) { return Merger().Take(target, patch); }

}  // namespace mend::json
