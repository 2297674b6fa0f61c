#pragma once
// What the simulator's numbers are told with.

#include <cstddef>
#include <utility>
#include <vector>

namespace hs::sim {

double quantile(std::vector<double> values, double q);  // 0 for none

// 95 % interval of a rate of `events` in `exposure` (Garwood, exact), and of a share (Wilson).
std::pair<double, double> rate_interval(double events, double exposure);
std::pair<double, double> share_interval(double events, double n);
// The chance of so many events or more when each of n has chance p.
double at_least(size_t events, size_t n, double p);

}  // namespace hs::sim
