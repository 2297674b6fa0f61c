#pragma once
// Programmer errors stop the process, in production too: a wrong state that goes on is worse than a restart.

#include <string_view>

namespace hs {
// Writes "file:line: assertion failed: cond: why" to stderr and aborts.
[[noreturn]] void assert_failed(const char* file, int line, const char* condition, std::string_view why);
}  // namespace hs

#define HS_ASSERT(cond, why)                               \
  do {                                                     \
    if (!(cond)) [[unlikely]]                              \
      ::hs::assert_failed(__FILE__, __LINE__, #cond, why); \
  } while (false)
