#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace hs {

void assert_failed(const char* file, int line, const char* condition, std::string_view why) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s: %.*s\n", file, line, condition, static_cast<int>(why.size()),
               why.data());
  std::abort();
}

}  // namespace hs
