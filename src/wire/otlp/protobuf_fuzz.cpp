#include "wire/otlp/fuzz_body.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return hs::wire::otlp::fuzz_decode(hs::wire::otlp::Format::protobuf, data, size);
}
