#pragma once
// One character of UTF-8 text.

#include <string>
#include <string_view>

namespace hs::promql {

struct Rune {
  char32_t code = 0xfffd;  // U+FFFD when not valid
  size_t size = 1;         // bytes; 1 when not valid
  bool valid = false;
};

// Of the first character of `text`, which is not empty. Overlong forms, surrogates and codes past U+10FFFF are not
// valid.
Rune decode_rune(std::string_view text);
void append_rune(std::string& out, char32_t code);
bool valid_utf8(std::string_view text);

}  // namespace hs::promql
