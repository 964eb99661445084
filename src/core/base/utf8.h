// UTF-8 as bytes: validation, counting, cutting.
#pragma once

#include <cstddef>
#include <string_view>

namespace mend::base {

// Offset of the first byte that is not part of valid UTF-8 (overlong forms, surrogates and code
// points past U+10FFFF are not valid); text.size() when all of it is.
size_t ValidUtf8Prefix(std::string_view text);

// Bytes of the valid sequence at the start of `text`, its code point in `*code_point`; 0 when the
// sequence is not valid or `text` is empty.
size_t DecodeUtf8(std::string_view text, char32_t* code_point);

// Code points in valid UTF-8. In other text: bytes that are not continuation bytes.
size_t CountCharacters(std::string_view text);

// The longest prefix of at most `max_bytes` that ends between two characters.
std::string_view CutUtf8(std::string_view text, size_t max_bytes);

}  // namespace mend::base
