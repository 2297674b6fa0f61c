#include "limits/sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hs::limits {
namespace {

// Attribute hashes are good already; ids of a few low bits are not.
uint64_t mixed(uint64_t h) {
  h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93ULL;
  h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93ULL;
  return h ^ (h >> 32);
}

}  // namespace

void Sketch::add_register(uint64_t hash) {
  const size_t index = hash >> (64 - index_bits);
  const uint64_t rest = hash << index_bits | (1ULL << (index_bits - 1));  // the marker ends a run of zeros
  const auto rank = static_cast<uint8_t>(std::countl_zero(rest) + 1);
  registers_[index] = std::max(registers_[index], rank);
}

void Sketch::spread() {
  registers_.assign(registers, 0);
  for (const uint64_t hash : exact_) add_register(hash);
  exact_ = {};
}

void Sketch::add(uint64_t hash) {
  hash = mixed(hash);
  if (!registers_.empty()) return add_register(hash);
  if (std::find(exact_.begin(), exact_.end(), hash) != exact_.end()) return;
  if (exact_.size() == exact_max) {
    spread();
    return add_register(hash);
  }
  exact_.push_back(hash);
}

void Sketch::merge(const Sketch& other) {
  if (other.registers_.empty() && registers_.empty()) {
    for (const uint64_t hash : other.exact_)
      if (std::find(exact_.begin(), exact_.end(), hash) == exact_.end()) exact_.push_back(hash);
    if (exact_.size() > exact_max) spread();
    return;
  }
  if (registers_.empty()) spread();
  for (const uint64_t hash : other.exact_) add_register(hash);
  for (size_t i = 0; i < other.registers_.size(); ++i) registers_[i] = std::max(registers_[i], other.registers_[i]);
}

double Sketch::estimate() const {
  if (registers_.empty()) return static_cast<double>(exact_.size());
  constexpr double m = registers;
  double sum = 0, zeros = 0;
  for (const uint8_t rank : registers_) {
    sum += std::ldexp(1.0, -rank);
    zeros += rank == 0 ? 1 : 0;
  }
  const double raw = 0.7213 / (1 + 1.079 / m) * m * m / sum;
  return raw <= 2.5 * m && zeros > 0 ? m * std::log(m / zeros) : raw;
}

void Distinct::turn(uint64_t period) {
  if (period == period_) return;
  before_ = period == period_ + 1 ? std::move(now_) : Sketch();
  now_ = {};
  period_ = period;
}

double Distinct::estimate(uint64_t period) const {
  if (period > period_ + 1) return 0;
  if (period > period_) return now_.estimate();
  Sketch both = now_;
  both.merge(before_);
  return both.estimate();
}

void LastHour::add(uint64_t minute) {
  const uint64_t bin = minute / minutes;
  if (bin_[bin % bins] != bin) {
    bin_[bin % bins] = bin;
    count_[bin % bins] = 0;
  }
  ++count_[bin % bins];
}

uint64_t LastHour::count(uint64_t minute) const {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < bins; ++i)
    if (bin_[i] + bins > minute / minutes) sum += count_[i];
  return sum;
}

}  // namespace hs::limits
