#pragma once
// Randomness comes through here, so that a test or the simulator can own it.

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

namespace hs::io {

// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t next() = 0;
  // `count` random bytes. From system_random() they are fit for keys and tokens.
  std::string bytes(size_t count);
  // Uniform in [0, 1).
  double uniform();
};

// The kernel's generator (getrandom).
Random& system_random();

// The same numbers for the same seed, on every machine (SplitMix64). Not for keys.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t next() override;

 private:
  std::mutex mutex_;
  uint64_t state_;
};

}  // namespace hs::io
