#include "base/metrics.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

#include <fmt/format.h>

namespace hs::metrics {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<std::function<void(std::vector<Sample>&)>> collectors;
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

void add_collector(std::function<void(std::vector<Sample>&)> collector) {
  const std::lock_guard lock(registry().mutex);
  registry().collectors.push_back(std::move(collector));
}

Counter::Counter(std::string_view name, std::string_view help, std::string_view labels) {
  add_collector([this, n = std::string(name), h = std::string(help), l = std::string(labels)](auto& out) {
    out.push_back({n, h, "counter", l, static_cast<double>(value())});
  });
}

Gauge::Gauge(std::string_view name, std::string_view help, std::string_view labels) {
  add_collector([this, n = std::string(name), h = std::string(help), l = std::string(labels)](auto& out) {
    out.push_back({n, h, "gauge", l, static_cast<double>(value())});
  });
}

std::string exposition() {
  std::vector<Sample> samples;
  {
    const std::lock_guard lock(registry().mutex);
    for (const auto& collector : registry().collectors) collector(samples);
  }
  std::sort(samples.begin(), samples.end(),
            [](const Sample& a, const Sample& b) { return std::tie(a.name, a.labels) < std::tie(b.name, b.labels); });
  std::string out;
  std::string_view family;
  for (const Sample& s : samples) {
    if (s.name != family) out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", s.name, s.help, s.name, s.type);
    family = s.name;
    out += s.labels.empty() ? fmt::format("{} {}\n", s.name, s.value)
                            : fmt::format("{}{{{}}} {}\n", s.name, s.labels, s.value);
  }
  return out;
}

}  // namespace hs::metrics
