#include "io/random.h"

#include <sys/random.h>

#include "base/assert.h"

namespace hs::io {
namespace {

class SystemRandom final : public Random {
 public:
  uint64_t next() override {
    uint64_t value = 0;
    // Requests of up to 256 bytes are never cut short once the generator is seeded (getrandom(2)).
    HS_ASSERT(::getrandom(&value, sizeof value, 0) == sizeof value, "the kernel gave no random bytes");
    return value;
  }
};

}  // namespace

std::string Random::bytes(size_t count) {
  std::string out;
  out.reserve(count + 8);
  while (out.size() < count) {
    uint64_t word = next();
    for (int i = 0; i < 8; ++i, word >>= 8) out += static_cast<char>(word & 255);
  }
  out.resize(count);
  return out;
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

Random& system_random() {
  static SystemRandom instance;
  return instance;
}

uint64_t SeededRandom::next() {
  const std::lock_guard lock(mutex_);
  state_ += 0x9E3779B97F4A7C15;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

}  // namespace hs::io
