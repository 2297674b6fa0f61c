#include "base/metrics.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>

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

std::string Sample::family() const {
  if (type != "histogram") return name;
  for (const std::string_view suffix : {"_bucket", "_sum", "_count"})
    if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  return name;
}

std::vector<Sample> collect() {
  std::vector<Sample> samples;
  {
    const std::lock_guard lock(registry().mutex);
    for (const auto& collector : registry().collectors) collector(samples);
  }
  std::map<std::string, std::vector<Sample>> by_name;
  for (Sample& s : samples) by_name[s.name].push_back(std::move(s));
  samples.clear();
  for (auto& [name, of_name] : by_name) {
    if (of_name.front().type != "histogram")
      std::sort(of_name.begin(), of_name.end(), [](const auto& a, const auto& b) { return a.labels < b.labels; });
    std::move(of_name.begin(), of_name.end(), std::back_inserter(samples));
  }
  return samples;
}

std::string escape_label(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> parse_labels(std::string_view labels) {
  std::vector<std::pair<std::string, std::string>> out;
  for (size_t at = 0; at < labels.size();) {
    const size_t equals = labels.find("=\"", at);
    if (equals == labels.npos) break;
    std::string value;
    size_t end = equals + 2;
    for (; end < labels.size() && labels[end] != '"'; ++end) {
      const bool escaped = labels[end] == '\\' && end + 1 < labels.size();
      if (escaped) ++end;
      value += escaped && labels[end] == 'n' ? '\n' : labels[end];
    }
    out.emplace_back(labels.substr(at, equals - at), std::move(value));
    at = end + 2;  // the quote and the comma
  }
  return out;
}

std::string exposition() {
  std::string out, family;
  for (const Sample& s : collect()) {
    if (s.family() != family) out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", s.family(), s.help, s.type);
    family = s.family();
    out += s.labels.empty() ? fmt::format("{} {}\n", s.name, s.value)
                            : fmt::format("{}{{{}}} {}\n", s.name, s.labels, s.value);
  }
  return out;
}

}  // namespace hs::metrics
