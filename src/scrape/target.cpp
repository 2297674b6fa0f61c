#include "scrape/target.h"

#include <set>

#include <fmt/format.h>

#include "base/hash.h"

namespace hs::scrape {
namespace {

constexpr size_t dropped_kept_max = 1'000;  // told by /api/v1/targets; all are counted

// Labels before relabelling, as Prometheus sets them.
config::LabelMap discovered_labels(const config::ScrapeJob& job, const config::TargetGroup& group,
                                   const std::string& address) {
  config::LabelMap out = group.labels;
  out["__address__"] = address;
  const auto add = [&](const char* name, const std::string& value) { out.try_emplace(name, value); };
  add("job", job.job_name);
  add("__scheme__", job.scheme);
  add("__metrics_path__", job.metrics_path);
  add("__scrape_interval__", format_duration_ms(job.interval_ms));
  add("__scrape_timeout__", format_duration_ms(job.timeout_ms));
  for (const auto& [name, values] : job.params)
    if (!values.empty()) out.try_emplace("__param_" + name, values[0]);
  return out;
}

// The query of the job's params, the first value of each as relabelling left it.
std::string query_of(const config::ScrapeJob& job, const Labels& labels) {
  constexpr std::string_view prefix = "__param_";
  std::map<std::string, std::vector<std::string>> params = job.params;
  for (const model::Attribute& a : labels) {
    if (!a.key.starts_with(prefix)) continue;
    std::vector<std::string>& values = params[std::string(a.key.substr(prefix.size()))];
    if (values.empty()) values.emplace_back();
    values[0] = a.value;
  }
  std::string out;
  for (const auto& [name, values] : params)
    for (const std::string& value : values)
      out += fmt::format("{}{}={}", out.empty() ? "?" : "&", http::url_encode(name), http::url_encode(value));
  return out;
}

Result<io::Endpoint> endpoint_of(const std::string& address, bool https) {
  const size_t bracket = address.rfind(']');
  const bool has_port = address.find(':', bracket == std::string::npos ? 0 : bracket) != std::string::npos;
  return io::parse_endpoint(has_port ? address : address + (https ? ":443" : ":80"));
}

Status set_times(Target& target, const Labels& labels) {
  HS_ASSIGN(target.interval_ms, parse_duration_ms(value_of(labels, "__scrape_interval__")));
  HS_ASSIGN(target.timeout_ms, parse_duration_ms(value_of(labels, "__scrape_timeout__")));
  if (target.interval_ms <= 0 || target.timeout_ms <= 0 || target.timeout_ms > target.interval_ms)
    return fail(Code::invalid_argument, "the timeout must be above 0 and not longer than the interval");
  return {};
}

Status fill(Target& target, const Labels& labels) {
  const std::string scheme(value_of(labels, "__scheme__")), address(value_of(labels, "__address__"));
  if (scheme != "http" && scheme != "https") return fail(Code::invalid_argument, "__scheme__ must be http or https");
  if (address.starts_with("unix:")) return fail(Code::invalid_argument, "__address__ must be host:port");
  target.tls = scheme == "https";
  HS_ASSIGN(target.endpoint, endpoint_of(address, target.tls));
  HS_TRY(set_times(target, labels));
  std::string path(value_of(labels, "__metrics_path__"));
  if (!path.starts_with('/')) path.insert(0, "/");
  target.path = path + query_of(target.job->config, labels);
  target.url = fmt::format("{}://{}{}", scheme, address, target.path);
  for (const model::Attribute& a : labels)
    if (!a.key.starts_with("__") && !a.value.empty()) target.labels.emplace(a.key, a.value);
  target.labels.try_emplace("instance", address);
  target.hash = hash64(target.key());
  return {};
}

}  // namespace

std::string Target::key() const {
  std::string out = job->config.job_name + '\n' + url;
  for (const auto& [name, value] : labels) out += '\n' + name + '\0' + value;
  return out;
}

Result<std::shared_ptr<const Job>> Job::make(config::ScrapeJob config, int64_t interval_ms, int64_t timeout_ms,
                                             const MakeHttps& make_https) {
  auto job = std::make_shared<Job>();
  if (config.interval_ms == 0) config.interval_ms = interval_ms;
  if (config.timeout_ms == 0) config.timeout_ms = std::min(timeout_ms, config.interval_ms);
  const auto named = [&](auto relabeler) {
    if (!relabeler) relabeler.error().message = fmt::format("job '{}': {}", config.job_name, relabeler.error().message);
    return relabeler;
  };
  HS_ASSIGN(job->relabel, named(Relabeler::make(config.relabel_configs)));
  HS_ASSIGN(job->metric_relabel, named(Relabeler::make(config.metric_relabel_configs)));
  if (config.timeout_ms > config.interval_ms)
    return fail(Code::invalid_argument,
                fmt::format("job '{}': scrape_timeout is longer than its interval", config.job_name));
  if (make_https) job->https = make_https(config.access.tls);
  job->config = std::move(config);
  return std::shared_ptr<const Job>(std::move(job));
}

Made make_targets(const std::shared_ptr<const Job>& job, const std::vector<config::TargetGroup>& groups) {
  Made out;
  std::set<std::string> seen;
  for (const config::TargetGroup& group : groups)
    for (const std::string& address : group.targets) {
      auto target = std::make_shared<Target>();
      target->job = job;
      target->discovered = discovered_labels(job->config, group, address);
      model::Arena arena;
      Labels labels;
      for (const auto& [name, value] : target->discovered) labels.push_back({name, value});
      if (!job->relabel.apply(labels, arena) || value_of(labels, "__address__").empty()) {
        ++out.dropped_count;
        if (out.dropped.size() < dropped_kept_max) out.dropped.push_back({job->config.job_name, target->discovered});
      } else if (const Status good = fill(*target, labels); !good) {
        out.problems.push_back(fmt::format("{}: {}", address, good.error().message));
      } else if (seen.insert(target->key()).second) {
        out.targets.push_back(std::move(target));
      }
    }
  const uint64_t limit = job->config.target_limit;
  if (limit > 0 && out.targets.size() > limit)
    for (const auto& target : out.targets)
      target->problem =
          fmt::format("target_limit exceeded (number of targets: {}, limit: {})", out.targets.size(), limit);
  return out;
}

}  // namespace hs::scrape
