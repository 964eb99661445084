// Reads ordinary JSON text into tokens in one pass, without copying it.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "core/base/json.h"

namespace mend::json {

// What the reader needs beside the tokens; reused from text to text.
struct FastScratch {
  struct Block {
    std::unique_ptr<char[]> bytes;
    size_t size = 0;
  };
  std::vector<uint32_t> open;  // containers not yet closed
  std::vector<Block> decoded;  // strings that had escapes
};

// Reads one value at the start of `text` (white space around it allowed) and sets *consumed to what
// it and the white space before it take. False: there may be something wrong with it, and
// Document's other reader tells what. True only where that one would write the same tokens.
bool ReadFast(std::string_view text, std::vector<Token>* tokens, FastScratch* scratch,
              size_t* consumed);

}  // namespace mend::json
