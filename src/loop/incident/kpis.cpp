#include "loop/incident/kpis.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loop/incident/distribution.h"
#include "loop/incident/life.h"

namespace hs::loop {
namespace {

using nlohmann::json;

struct Times {
  std::vector<Duration> to_detect, to_repair, to_restore, between;
};
// service, kind, injected, and whether the loop acted ("": not told apart)
using Group = std::tuple<std::string, std::string, bool, std::string>;
enum class Apart : uint8_t { no, by_action };

double between(UnixNanos from, UnixNanos to) { return std::max(0.0, static_cast<double>(to - from) / 1e9); }

// The known start of the latest fault that was there when the incident began; else the estimated onset: what began
// after a fault was an echo of its end, or another's.
UnixNanos true_start(const Incident& incident, const std::deque<InjectedFault>& faults) {
  UnixNanos start = 0;
  if (incident.injected)
    for (const InjectedFault& fault : faults)
      if (fault.started <= incident.detected && (fault.ended == 0 || incident.started <= fault.ended))
        start = std::max(start, fault.started);
  return start != 0 ? start : incident.started;
}

void add(const Incident& incident, const std::deque<InjectedFault>& faults, UnixNanos now, Times& out) {
  const UnixNanos start = true_start(incident, faults);
  out.to_detect.push_back({between(start, incident.detected), false});
  if (incident.verified != 0)
    out.to_repair.push_back({between(start, incident.verified), false});
  else if (is_open(incident))
    out.to_repair.push_back({between(start, now), true});
  if (incident.restored != 0)
    out.to_restore.push_back({between(start, incident.restored), false});
  else if (is_open(incident))
    out.to_restore.push_back({between(start, now), true});
}

bool was_merged(const Incident& incident) {
  return incident.symptoms.empty() && incident.alerts.empty() && incident.state == IncidentState::closed;
}

std::map<Group, Times> group(const std::deque<Incident>& incidents, const std::deque<InjectedFault>& faults,
                             UnixNanos now, Apart apart) {
  const auto acted = [&](const Incident& i) { return apart == Apart::no ? "" : i.acted != 0 ? "true" : "false"; };
  std::map<Group, Times> groups;
  std::map<std::pair<std::string, bool>, UnixNanos> last_restored;
  for (const Incident& incident : incidents) {
    if (was_merged(incident)) continue;
    Times& times = groups[{incident.service, incident.kind, incident.injected, acted(incident)}];
    add(incident, faults, now, times);
    UnixNanos& last = last_restored[{incident.service, incident.injected}];
    if (last != 0) times.between.push_back({between(last, incident.started), false});
    if (incident.restored != 0) last = incident.restored;
  }
  for (const auto& [key, last] : last_restored) {  // the running failure-free time is censored, not missing
    if (last == 0) continue;
    for (auto& [other, times] : groups)
      if (std::get<0>(other) == key.first && std::get<2>(other) == key.second) {
        times.between.push_back({between(last, now), true});
        break;
      }
  }
  return groups;
}

void append(std::vector<Duration>& to, const std::vector<Duration>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// One distribution: its median, its n, and all of it as a histogram. What has not ended is in none of them.
void time_samples(const std::string& name, const std::string& labels, const std::vector<Duration>& durations,
                  std::vector<metrics::Sample>& out) {
  const Distribution d = describe(durations);
  if (d.n == 0) return;
  out.push_back({fmt::format("homeostat_{}_seconds", name), "median over the incidents that ended", "gauge",
                 labels + ",quantile=\"0.5\"", d.p50});
  out.push_back({fmt::format("homeostat_{}_incidents", name), "how many the median is of", "gauge", labels,
                 static_cast<double>(d.n)});
  const std::string histogram = fmt::format("homeostat_incident_{}_seconds", name);
  const auto add = [&](const char* suffix, const std::string& with, double value) {
    out.push_back(
        {histogram + suffix, "of the incidents that ended, the last 2,000 at most", "histogram", with, value});
  };
  const std::vector<double>& bounds = histogram_bounds_s();
  size_t total = 0;
  for (size_t i = 0; i < d.histogram.size(); ++i) {
    total += d.histogram[i];
    const std::string bound = i < bounds.size() ? fmt::format("{}", bounds[i]) : "+Inf";
    add("_bucket", fmt::format("{},le=\"{}\"", labels, bound), static_cast<double>(total));
  }
  double sum = 0;
  for (const Duration& one : durations)
    if (!one.censored) sum += one.seconds;
  add("_sum", labels, sum);
  add("_count", labels, static_cast<double>(total));
}

json times_json(const Times& times) {
  return {
      {"time_to_detect",
       to_json(describe(times.to_detect),
               "from the start of the failure (known for injected faults, estimated otherwise) to its detection")},
      {"time_to_repair",
       to_json(describe(times.to_repair),
               "from the start of the failure to the verdict PASS on a change; only incidents that a change repaired")},
      {"time_to_restore",
       to_json(describe(times.to_restore),
               "from the start of the failure to the first second from which every objective and baseline held again")},
      {"time_between_failures",
       to_json(describe(times.between), "from the restoration of a service to the start of its next failure")}};
}

}  // namespace

json kpis(const std::deque<Incident>& incidents, const std::deque<InjectedFault>& faults, UnixNanos now) {
  const auto groups = group(incidents, faults, now, Apart::no);
  Times natural, injected;
  json out = {{"at", format_rfc3339(now)}, {"groups", json::array()}};
  for (const auto& [key, times] : groups) {
    const auto& [service, kind, is_injected, acted] = key;
    Times& all = is_injected ? injected : natural;
    append(all.to_detect, times.to_detect);
    append(all.to_repair, times.to_repair);
    append(all.to_restore, times.to_restore);
    append(all.between, times.between);
    json one = times_json(times);
    one["service"] = service;
    one["kind"] = kind;
    one["injected"] = is_injected;
    out["groups"].push_back(std::move(one));
  }
  out["natural"] = times_json(natural);
  out["injected"] = times_json(injected);
  out["window"] = fmt::format("the last {} incidents at most", incidents_kept_max);
  return out;
}

void kpi_samples(const std::deque<Incident>& incidents, const std::deque<InjectedFault>& faults, UnixNanos now,
                 std::vector<metrics::Sample>& out) {
  for (const auto& [key, times] : group(incidents, faults, now, Apart::by_action)) {
    const auto& [service, kind, is_injected, acted] = key;
    const std::string labels =
        fmt::format(R"(service="{}",kind="{}",injected="{}",acted="{}")", metrics::escape_label(service),
                    metrics::escape_label(kind), is_injected, acted);
    time_samples("time_to_detect", labels, times.to_detect, out);
    time_samples("time_to_repair", labels, times.to_repair, out);
    time_samples("time_to_restore", labels, times.to_restore, out);
    time_samples("time_between_failures", labels, times.between, out);
  }
  const auto open = std::count_if(incidents.begin(), incidents.end(), is_open);
  out.push_back(
      {"homeostat_incidents_open", "incidents that are not restored", "gauge", "", static_cast<double>(open)});
}

}  // namespace hs::loop
