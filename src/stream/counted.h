#pragma once
// What trace metrics are made of: classic histograms and the series that they become.

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "model/attributes.h"

namespace hs::stream {

// One series as it stands: its labels (with __name__, views that are valid during the call), its value, and whether it
// is told for the first time. It began at 0 after the collection before: who says so makes `rate` see its first value.
using EachSeries = std::function<void(std::span<const model::Attribute> labels, double value, bool first)>;

// How long a series is told on after its last span, as in Tempo's generator; then it makes room for others.
inline constexpr int64_t idle_series_s = 900;

// Weighted observations in seconds, by upper bounds; the last bucket is +Inf.
template <size_t bounds>
struct Counted {
  std::array<double, bounds + 1> in{};
  double sum = 0;
  void add(const std::array<double, bounds>& limits, double seconds, double weight) {
    in[static_cast<size_t>(std::lower_bound(limits.begin(), limits.end(), seconds) - limits.begin())] += weight;
    sum += seconds * weight;
  }
};

// Tells series that share labels, one after another.
class Teller {
 public:
  Teller(const EachSeries& each, bool first) : each_(each), first_(first) {}
  // Empty values are no labels, as in Prometheus.
  void label(std::string_view key, std::string_view value);
  void number(std::string_view name, double value);
  // name_bucket, name_sum, name_count. The names live as long as the process: string literals.
  template <size_t bounds>
  void histogram(const std::array<std::string_view, 3>& names, const std::array<std::string_view, bounds>& bound_texts,
                 const Counted<bounds>& counted) {
    double total = 0;
    for (size_t i = 0; i <= bounds; ++i) {
      total += counted.in[i];
      bucket(names[0], i < bounds ? bound_texts[i] : "+Inf", total);
    }
    number(names[1], counted.sum);
    number(names[2], total);
  }

 private:
  void bucket(std::string_view name, std::string_view bound, double value);
  const EachSeries& each_;
  const bool first_;
  std::vector<model::Attribute> labels_;
};

}  // namespace hs::stream
