#include "loop/testing/healthy.h"

#include <algorithm>

#include <fmt/format.h>

namespace hs::loop::testing {

Healthy::Healthy(const HealthyOptions& options) : options_(options), dice_(options.seed * 31 + 7) {
  for (int s = 0; s < options.services; ++s)
    for (int o = 0; o < options.operations; ++o)
      streams_.push_back({fmt::format("s{}", s), fmt::format("op{}", o), "", 2,
                          options.requests_per_s * dice_.lognormal(0.8, 0.7), dice_.lognormal(8, 1),
                          dice_.between(0.2, 0.9), s});
  for (int e = 0; e < options.edges; ++e) {
    const int s = dice_.below(options.services);
    streams_.push_back({fmt::format("s{}", s), "call", fmt::format("peer{}", e), 3,
                        options.requests_per_s * dice_.lognormal(0.8, 0.7), dice_.lognormal(3, 1),
                        dice_.between(0.2, 0.9), s});
  }
  bursts_.resize(static_cast<size_t>(options.services));
}

double Healthy::load() {
  if (surge_left_ > 0) {
    --surge_left_;
  } else if (surge_ != 1) {
    surge_ = 1;
  } else if (dice_.chance(options_.surges_per_hour / 3600)) {
    surge_ = dice_.chance(0.7) ? 2 : 0.5;
    surge_left_ = dice_.between(60, 600);
  }
  const double day = std::sin(6.283185307 * static_cast<double>(second_) / options_.day_s);
  return (1 + 0.5 * day) * surge_;
}

stream::Frame Healthy::next() {
  stream::Frame frame;
  frame.tick = (second_ + 2) * nanos_per_s;
  const double factor = load();
  std::vector<bool> paused;
  for (Burst& b : bursts_) {
    if (b.left > 0 && --b.left == 0) b.per_s = 0;
    if (b.left == 0 && dice_.chance(options_.bursts_per_hour / 3600)) b = {5, dice_.between(0.8, 2.4)};
    paused.push_back(dice_.chance(options_.pauses_per_hour / 3600));
  }
  for (size_t i = 0; i < streams_.size(); ++i) {
    const Source& s = streams_[i];
    const auto home = static_cast<size_t>(s.home);
    stream::Cell c;
    c.second = second_;
    c.service = s.service;
    c.operation = s.operation;
    c.peer = s.peer;
    c.kind = s.kind;
    c.instance = s.service + "-0";
    int n = dice_.poisson(s.rate * factor);
    const bool sick = static_cast<int>(i) == index_;
    int errors = dice_.binomial(n, sick ? std::max(errors_, options_.error_rate) : options_.error_rate);
    const int burst = s.kind == 2 ? dice_.poisson(bursts_[home].per_s) : 0;  // a user who repeats adds requests, too
    n += burst;
    errors += burst;
    const double slow = (1 + 0.15 * (factor - 1)) * (sick ? slowness_ : 1);
    for (int r = 0; r < n; ++r) {
      double ms = dice_.lognormal(s.ms * slow, s.sigma);
      if (paused[home] && dice_.chance(0.33)) ms += 80;
      c.duration_ms.add(ms);
      c.self_ms += ms;
    }
    if (n == 0) continue;
    c.count = c.spans = static_cast<uint32_t>(n);
    c.errors = errors;
    c.own_errors = errors;
    frame.cells.push_back(std::move(c));
  }
  ++second_;
  return frame;
}

}  // namespace hs::loop::testing
