#include "app/ruler.h"

#include <algorithm>
#include <filesystem>
#include <tuple>

#include <fmt/format.h>

#include "app/listeners.h"
#include "base/hash.h"
#include "io/files.h"
#include "rules/files.h"

namespace hs::app {
namespace {

constexpr size_t request_bytes = 2 << 20;      // of results: a group that makes more is appended in parts
constexpr int64_t append_timeout_ms = 10'000;  // a journal that takes longer is in trouble; it is tried again

// NAME=VALUE
Result<promql::Labels> labels_of(const std::vector<std::string>& items, std::string_view setting) {
  std::vector<promql::Label> out;
  for (const std::string& item : items) {
    const size_t eq = item.find('=');
    if (eq == std::string::npos || eq == 0)
      return fail(Code::invalid_argument, fmt::format("{}: '{}' is not of the form NAME=VALUE", setting, item));
    out.push_back({item.substr(0, eq), item.substr(eq + 1)});
  }
  return promql::Labels::from(std::move(out));
}

std::vector<std::string> patterns_of(const config::Snapshot& config, const std::string& configuration) {
  std::vector<std::string> out;
  const std::filesystem::path directory = std::filesystem::path(configuration).parent_path();
  for (const std::string& pattern : config.settings.list("rules.files"))
    out.push_back(std::filesystem::path(pattern).is_absolute() ? pattern : (directory / pattern).string());
  return out;
}

// "" when it names none, or says of itself that nothing is wrong.
std::string service_of(const promql::Labels& labels) {
  const std::string_view severity = labels.get("severity");
  if (severity == "none" || severity == "info") return "";
  const std::string_view service = labels.get("service");
  return std::string(service.empty() ? labels.get("service_name") : service);
}

stream::FiringAlert to_loop(const rules::Alert& alert, const rules::GroupSpec& group, std::string service) {
  const std::string labels = alert.labels.text();
  return {
      .id = fmt::format("alert {} {:016x}@{}", service, hash64(group.file + group.name + labels), alert.active_at_ms),
      .name = std::string(alert.labels.get("alertname")),
      .service = std::move(service),
      .labels = labels,
      .rule_from = fmt::format("the group {} in {}", group.name, std::filesystem::path(group.file).filename().string()),
      .value = alert.value,
      .since = alert.active_at_ms * nanos_per_ms};
}

std::string external_url(const config::Settings& settings) {
  const std::string url = settings.text("rules.external_url");
  return url.empty() ? fmt::format("{}://{}/prometheus", scheme_of(settings, "http"), settings.text("listen.http"))
                     : url;
}

}  // namespace

Ruler::Ruler(Outside outside) : outside_(std::move(outside)), notifier_(outside_.http, outside_.clock) {}
Ruler::~Ruler() = default;

Result<Ruler::Prepared> Ruler::prepare(const config::Snapshot& config) const {
  const config::Settings& s = config.settings;
  rules::RuleFile files = rules::load_rules(patterns_of(config, outside_.configuration),
                                            {.features = api::prometheus::features_of(s.text("prometheus.features"))});
  if (!files.problems.empty())
    return fail(Code::invalid_argument, fmt::format("rules.files: {}", fmt::join(files.problems, "\n")));
  Prepared prepared;
  rules::ManagerSettings& out = prepared.rules;
  out.groups = std::move(files.groups);
  HS_ASSIGN(out.group.external_labels, labels_of(s.list("rules.external_labels"), "rules.external_labels"));
  out.group.external_url = external_url(s);
  out.group.default_interval_ms = s.ms("rules.evaluation_interval");
  out.group.default_query_offset_ms = s.ms("rules.query_offset");
  out.query.features = api::prometheus::features_of(s.text("prometheus.features"));
  out.query.limits.max_samples = static_cast<size_t>(s.integer("prometheus.max_samples"));
  out.query.limits.max_series = static_cast<size_t>(s.integer("prometheus.max_series"));
  out.query.budget = outside_.options().budget;
  out.query.lookback_ms = s.ms("prometheus.lookback");
  out.query_timeout_ms = s.ms("prometheus.timeout");
  out.catch_up_ms = s.ms("rules.catch_up");
  out.resend_ms = s.ms("alerts.resend_delay");
  prepared.notify = {.alertmanagers = s.list("alerts.alertmanagers"),
                     .webhooks = s.list("alerts.webhooks"),
                     .origin = {out.group.external_labels, out.group.external_url},
                     .grouping = {.by = s.list("alerts.group_by"),
                                  .wait_ms = s.ms("alerts.group_wait"),
                                  .interval_ms = s.ms("alerts.group_interval"),
                                  .repeat_ms = s.ms("alerts.repeat_interval")}};
  HS_TRY(notify::check(prepared.notify));
  return prepared;
}

void Ruler::apply(const config::Snapshot& config, Prepared prepared) {
  notifier_.configure(prepared.notify);
  if (manager_) return manager_->configure(std::move(prepared.rules));
  tenant_ = config.settings.text("rules.tenant");
  const auto source = [this](int64_t timeout_ms, std::stop_token cancel) -> std::unique_ptr<promql::Source> {
    promql::store::SourceOptions options{.tenant = tenant_, .naming = outside_.options().naming};
    options.timeout_ms = timeout_ms;
    options.cancel = std::move(cancel);
    options.cache = outside_.series;
    options.recent = outside_.recent;
    options.packed = outside_.packed;
    return std::make_unique<promql::store::StoreSource>(outside_.client, std::move(options));
  };
  manager_ = std::make_unique<rules::Manager>(
      std::move(prepared.rules), rules::ManagerOutside{.clock = outside_.clock,
                                                       .source = source,
                                                       .ready = outside_.ready,
                                                       .refresh = outside_.refresh,
                                                       .write = [this](const auto& samples) { return write(samples); },
                                                       .notify = [this](const auto& notes) { notifier_.add(notes); },
                                                       .state_file = outside_.data_directory + "/state.json"});
}

Status Ruler::write(const std::vector<promql::Sample>& samples) const {
  wire::prometheus::WriteEncoder encoder;
  const auto append = [&] {
    return outside_.samples.append_and_wait(api::prometheus::Origin::rules, tenant_,
                                            std::exchange(encoder, wire::prometheus::WriteEncoder()),
                                            append_timeout_ms);
  };
  std::vector<model::Attribute> labels;
  for (const promql::Sample& sample : samples) {
    labels.clear();
    for (const promql::Label& label : sample.labels) labels.push_back({label.name, label.value});
    if (sample.h)
      encoder.histogram(labels, api::prometheus::encoded(*sample.h, sample.t_ms));
    else
      encoder.sample(labels, sample.t_ms, sample.f);
    if (encoder.size() >= request_bytes) HS_TRY(append());
  }
  return encoder.empty() ? Status{} : append();
}

std::vector<rules::GroupViewPtr> Ruler::views(const std::string& tenant) const {
  return manager_ && tenant == tenant_ ? manager_->views() : std::vector<rules::GroupViewPtr>{};
}

void Ruler::fill(stream::Frame& frame) const {
  if (!manager_ || !tenant_.empty() || !manager_->planned()) return;  // the loop is about the tenant "" alone
  frame.alerts_told = true;
  for (const rules::GroupViewPtr& group : manager_->views())
    for (const rules::RuleView& rule : group->rules)
      for (const rules::Alert& alert : rule.alerts)
        if (std::string service = service_of(alert.labels);
            alert.state == rules::AlertState::firing && !service.empty())
          frame.alerts.push_back(to_loop(alert, *group->spec, std::move(service)));
  std::sort(frame.alerts.begin(), frame.alerts.end(),
            [](const auto& a, const auto& b) { return std::tie(a.since, a.id) < std::tie(b.since, b.id); });
  if (frame.alerts.size() > stream::alerts_per_tick_max) frame.alerts.resize(stream::alerts_per_tick_max);
}

void Ruler::metrics(std::vector<metrics::Sample>& out) const {
  if (manager_) manager_->metrics(out);
  notifier_.metrics(out);
}

}  // namespace hs::app
