// Any bytes as any coding: no crash, and never more output than the limit.
#include <cstdlib>

#include "base/compress.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto coding = static_cast<hs::Coding>(data[0] % 4);
  const size_t bytes_max = static_cast<size_t>(data[1]) * 257;
  const auto out = hs::decompress(coding, {reinterpret_cast<const char*>(data) + 2, size - 2}, bytes_max);
  if (out && out->size() > bytes_max) std::abort();
  return 0;
}
