#include "scrape/discovery.h"

#include <glob.h>

#include <set>

#include <fmt/format.h>

#include "base/log.h"
#include "base/metrics.h"
#include "config/scrape_groups.h"
#include "scrape/fetch.h"

namespace hs::scrape {
namespace {

constexpr size_t files_max = 1'000;  // of one job; each is looked at every second
constexpr size_t file_bytes_max = 16 << 20;

metrics::Counter failures("homeostat_scrape_discovery_failures_total",
                          "Files and services of targets that could not be read; the targets known before stay.");

std::set<std::string> matching(const std::vector<std::string>& patterns) {
  std::set<std::string> out;
  for (const std::string& pattern : patterns) {
    glob_t found{};
    if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0)
      for (size_t i = 0; i < found.gl_pathc && out.size() < files_max; ++i) out.insert(found.gl_pathv[i]);
    ::globfree(&found);
  }
  return out;
}

void mark(std::vector<config::TargetGroup>& groups, const char* label, const std::string& value) {
  for (config::TargetGroup& group : groups) group.labels.try_emplace(label, value);
}

Result<std::vector<config::TargetGroup>> read_groups(const std::string& path) {
  HS_ASSIGN(const std::string text, io::read_file(path, file_bytes_max));
  HS_ASSIGN(auto groups, config::parse_target_groups(text));
  mark(groups, "__meta_filepath", path);
  return groups;
}

}  // namespace

Discovery::Discovery(const config::ScrapeJob& job, io::Http& http, MakeHttps make_https, io::Clock& clock)
    : job_(job),
      http_(http),
      make_https_(std::move(make_https)),
      clock_(clock),
      services_(job.http_sd_configs.size()) {}

bool Discovery::look(const std::stop_token& stop) {
  const bool files = look_at_files(), services = look_at_services(stop);
  return std::exchange(first_, false) || files || services;
}

bool Discovery::look_at_files() {
  std::vector<std::string> patterns;
  for (const config::FileDiscovery& sd : job_.file_sd_configs)
    patterns.insert(patterns.end(), sd.files.begin(), sd.files.end());
  if (patterns.empty()) return false;
  const std::set<std::string> found = matching(patterns);
  bool changed = std::erase_if(files_, [&](const auto& file) { return !found.contains(file.first); }) > 0;
  for (const std::string& path : found) {
    const io::FileStamp stamp = io::stamp_of(path);
    File& file = files_[path];
    if (file.stamp == stamp) continue;
    file.stamp = stamp;
    auto groups = read_groups(path);
    if (!groups) {
      failures.add();
      log::warn("targets cannot be read", {{"job", job_.job_name}, {"file", path}, {"why", groups.error().message}});
    } else if (file.groups != *groups) {
      file.groups = std::move(*groups);
      changed = true;
    }
  }
  return changed;
}

bool Discovery::look_at_services(const std::stop_token& stop) {
  bool changed = false;
  for (size_t i = 0; i < services_.size() && !stop.stop_requested(); ++i) {
    const config::HttpDiscovery& sd = job_.http_sd_configs[i];
    Service& service = services_[i];
    if (clock_.mono() < service.due) continue;
    service.due = clock_.mono() + sd.refresh_interval_ms * nanos_per_ms;
    auto groups = [&]() -> Result<std::vector<config::TargetGroup>> {
      HS_ASSIGN(const std::string text, fetch_targets(http_, make_https_, sd, stop));
      return config::parse_target_groups(text);
    }();
    if (!groups) {
      failures.add();
      log::warn("targets cannot be asked for",
                {{"job", job_.job_name}, {"url", sd.url}, {"why", groups.error().message}});
      continue;
    }
    mark(*groups, "__meta_url", sd.url);
    if (service.groups == *groups) continue;
    service.groups = std::move(*groups);
    changed = true;
  }
  return changed;
}

std::vector<config::TargetGroup> Discovery::groups() const {
  std::vector<config::TargetGroup> out = job_.static_configs;
  for (const auto& [path, file] : files_) out.insert(out.end(), file.groups.begin(), file.groups.end());
  for (const Service& service : services_) out.insert(out.end(), service.groups.begin(), service.groups.end());
  return out;
}

}  // namespace hs::scrape
