#include "loop/arrival.h"

#include <algorithm>
#include <numeric>

namespace hs::loop {
namespace {

constexpr double nearly_all = 0.98;
constexpr double fades = 0.99;      // each second: what came minutes ago says little of now
constexpr double forgotten = 0.01;  // spans

}  // namespace

void Arrivals::add(const stream::Frame& frame) {
  const int64_t last = frame.tick / nanos_per_s - 1;
  for (auto& [service, ages] : services_)
    for (double& spans : ages.spans) spans *= fades;
  for (const auto& cell : frame.cells) add(cell.service, last - cell.second, cell.spans);
  for (const auto& point : frame.kpis) add(name_of_kpi(point.name), last - point.second, 1);
  std::erase_if(services_, [](const auto& s) {
    return std::accumulate(s.second.spans.begin(), s.second.spans.end(), 0.0) < forgotten;
  });
}

void Arrivals::add(const std::string& name, int64_t age_s, double weight) {
  if (services_.size() >= arrival_services_max && !services_.contains(name)) return;
  services_[name].spans[static_cast<size_t>(std::clamp<int64_t>(age_s, 0, arrival_max_s))] += weight;
}

int64_t Arrivals::delay_s(const std::string& service) const {
  const auto found = services_.find(service);
  if (found == services_.end()) return 1;
  const auto& spans = found->second.spans;
  double left = (1 - nearly_all) * std::accumulate(spans.begin(), spans.end(), 0.0);
  int64_t delay = arrival_max_s;
  while (delay > 1 && (left -= spans[static_cast<size_t>(delay)]) >= 0) --delay;
  return delay;
}

}  // namespace hs::loop
