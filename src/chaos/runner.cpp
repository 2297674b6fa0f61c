#include "chaos/runner.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/text.h"

namespace hs::chaos {
namespace {

using json::Json;

double seconds(int64_t nanos) { return static_cast<double>(nanos) / static_cast<double>(nanos_per_s); }

Json http_output(const http::Response& response) {
  Json headers = Json::object();
  for (const auto& [name, value] : response.headers.items) headers[name] = printable(value);
  const std::string_view type = response.headers.get("Content-Type");
  Json body = response.body;
  if (type.find("json") != std::string_view::npos) {
    Json parsed = Json::parse(response.body, nullptr, false);
    if (!parsed.is_discarded()) body = std::move(parsed);
  }
  return {{"status", response.status}, {"headers", std::move(headers)}, {"body", std::move(body)}};
}

class Run {
 public:
  Run(const Experiment& experiment, const RunContext& context) : experiment_(experiment), context_(context) {}

  Json all() {
    const MonoNanos began = context_.clock.mono();
    begin_journal();
    before();
    if (status_.empty()) method();
    if (status_.empty()) after();
    roll_back();
    journal_["end"] = format_rfc3339(context_.clock.wall());
    journal_["duration"] = seconds(context_.clock.mono() - began);
    journal_["status"] = status_.empty() ? "completed" : status_;
    journal_["deviated"] = deviated_;
    if (!reason_.empty()) journal_["reason"] = reason_;
    say(fmt::format("experiment {}{}{}", journal_["status"].get<std::string>(), deviated_ ? ", deviated" : "",
                    reason_.empty() ? "" : ": " + reason_));
    return std::move(journal_);
  }

 private:
  void begin_journal() {
    journal_ = {{"chaoslib-version", "homeostat"},
                {"platform", "homeostat"},
                {"node", ""},
                {"experiment", experiment_.source},
                {"start", format_rfc3339(context_.clock.wall())},
                {"steady_states", {{"before", nullptr}, {"after", nullptr}, {"during", Json::array()}}},
                {"run", Json::array()},
                {"rollbacks", Json::array()}};
    say(fmt::format("experiment: {}", experiment_.title));
    for (const std::string& note : experiment_.notes) say("note: " + note);
  }
  void say(const std::string& line) const {
    if (context_.say) context_.say(line);
  }
  void stop(std::string status, std::string reason) {
    if (!status_.empty()) return;
    const bool asked = !context_.pause(0);  // then what failed may have failed for that
    status_ = asked ? "interrupted" : std::move(status);
    reason_ = asked ? "stopped from outside" : std::move(reason);
  }

  void before();
  void method();
  void after();
  void roll_back();
  bool looks() const { return !experiment_.guards.empty() || experiment_.check_during; }
  bool wait(int64_t ms);
  void look();
  Json check_all(const std::vector<Activity>& probes, bool& met);
  Json perform(const Activity& activity);
  Result<Json> act(const Activity& activity);
  Result<Json> act(const HttpCall& call);
  Result<Json> act(const InjectFault& inject);
  Result<Json> act(const ClearFaults& clear);

  const Experiment& experiment_;
  const RunContext& context_;
  Json journal_;
  std::string status_, reason_;  // status_ "": going on
  bool deviated_ = false, rolling_back_ = false;
  std::multimap<std::string, std::string> injected_;  // proxy -> fault id
};

Result<Json> Run::act(const HttpCall& call) {
  const io::HttpRequest request{
      .method = call.method, .target = call.url.target, .headers = call.headers, .body = call.body};
  io::HttpLimits limits;
  limits.timeout_ms = call.timeout_ms;
  limits.body_bytes_max = probe_body_bytes_max;
  limits.cancel = rolling_back_ ? context_.cut_off : context_.stop;
  limits.may_dial = [&](std::string_view address) { return HostList::may_dial(call.url.endpoint, address); };
  HS_ASSIGN(const http::Response response, context_.http.request(call.url.endpoint, request, limits));
  const auto& expected = call.expected_status;
  if (!expected.empty() && std::find(expected.begin(), expected.end(), response.status) == expected.end())
    return fail(Code::conflict, fmt::format("status {} is not among the expected ones", response.status));
  return http_output(response);
}

Result<Json> Run::act(const InjectFault& inject) {
  HS_ASSIGN(std::string id, context_.faults.inject(inject.fault));
  injected_.emplace(inject.fault.proxy, id);
  return Json(std::move(id));
}

Result<Json> Run::act(const ClearFaults& clear) {
  int cleared = 0;
  for (auto one = injected_.begin(); one != injected_.end();) {
    if (!clear.proxy.empty() && one->first != clear.proxy) {
      ++one;
      continue;
    }
    const Status done = context_.faults.clear(one->second);
    if (!done && done.error().code != Code::not_found) return tl::unexpected(done.error());  // kept, to be tried again
    cleared += done ? 1 : 0;
    one = injected_.erase(one);
  }
  return Json(cleared);
}

Result<Json> Run::act(const Activity& activity) {
  return std::visit([this](const auto& provider) { return act(provider); }, activity.provider);
}

Json Run::perform(const Activity& activity) {
  const MonoNanos began = context_.clock.mono();
  Json record = {{"activity", activity.source}, {"start", format_rfc3339(context_.clock.wall())}};
  const Result<Json> output = act(activity);
  record["status"] = output ? "succeeded" : "failed";
  record["output"] = output ? *output : Json();
  if (!output) record["exception"] = printable(output.error().message);
  if (activity.tolerance) record["tolerance_met"] = output && activity.tolerance->meets(*output);
  record["end"] = format_rfc3339(context_.clock.wall());
  record["duration"] = seconds(context_.clock.mono() - began);
  return record;
}

Json Run::check_all(const std::vector<Activity>& probes, bool& met) {
  Json records = Json::array();
  met = true;
  for (const Activity& probe : probes) {
    records.push_back(perform(probe));
    if (records.back()["tolerance_met"] == true) continue;
    met = false;
    say(fmt::format("  not as it should be: {}", probe.name));
  }
  return records;
}

void Run::before() {
  if (!experiment_.check_before) return;
  bool met = true;
  Json probes = check_all(experiment_.hypothesis, met);
  journal_["steady_states"]["before"] = {{"steady_state_met", met}, {"probes", std::move(probes)}};
  if (!met) stop("failed", "the steady state does not hold before the method; nothing was injected");
}

void Run::after() {
  if (!experiment_.check_after) return;
  bool met = true;
  Json probes = check_all(experiment_.hypothesis, met);
  journal_["steady_states"]["after"] = {{"steady_state_met", met}, {"probes", std::move(probes)}};
  deviated_ = deviated_ || !met;
  if (!met) stop("failed", "the steady state no longer holds after the method");
}

// One look during the method: guards first, they end it.
void Run::look() {
  bool met = true;
  const Json guards = check_all(experiment_.guards, met);
  Json& during = journal_["steady_states"]["during"];
  if (!met) {
    during.push_back({{"steady_state_met", false}, {"guards", guards}});
    return stop("aborted", "a guard no longer holds");
  }
  if (!experiment_.check_during) return;
  Json probes = check_all(experiment_.hypothesis, met);
  if (met) probes = nullptr;  // what was as it should be needs no record
  if (!met || during.size() < during_kept_max)
    during.push_back(
        {{"steady_state_met", met}, {"probes", std::move(probes)}, {"at", format_rfc3339(context_.clock.wall())}});
  deviated_ = deviated_ || !met;
  if (!met && experiment_.fail_fast) stop("failed", "the steady state was left during the method");
}

// Waits, looking every so often. False when the experiment is over.
bool Run::wait(int64_t ms) {
  while (ms > 0 && status_.empty()) {
    const int64_t step = looks() ? std::min(ms, experiment_.check_every_ms) : ms;
    if (!context_.pause(step)) stop("interrupted", "stopped from outside");
    if (status_.empty() && looks()) look();
    ms -= step;
  }
  return status_.empty();
}

void Run::method() {
  for (const Activity& activity : experiment_.method) {
    if (!context_.pause(0)) stop("interrupted", "stopped from outside");
    if (!wait(activity.pause_before_ms)) return;
    say(fmt::format("{}: {}", activity.is_probe ? "probe" : "action", activity.name));
    Json record = perform(activity);
    const bool failed = record["status"] == "failed";
    const std::string why = failed ? record["exception"].get<std::string>() : "";
    journal_["run"].push_back(std::move(record));
    if (failed) say(fmt::format("  failed: {}", why));
    // An action that did not happen makes the rest say nothing; a probe that failed is a result.
    if (failed && !activity.is_probe) return stop("aborted", fmt::format("'{}' failed: {}", activity.name, why));
    if (activity.pause_after_ms == 0 && looks()) look();
    if (!wait(activity.pause_after_ms)) return;
  }
}

void Run::roll_back() {
  rolling_back_ = true;
  for (const Activity& activity : experiment_.rollbacks) {
    say(fmt::format("rollback: {}", activity.name));
    if (status_ != "interrupted" && activity.pause_before_ms > 0) context_.pause(activity.pause_before_ms);
    journal_["rollbacks"].push_back(perform(activity));
    if (journal_["rollbacks"].back()["status"] == "failed") say("  failed");
    if (status_ != "interrupted" && activity.pause_after_ms > 0) context_.pause(activity.pause_after_ms);
  }
  const auto left = act(ClearFaults{});
  if (left) return;
  say(fmt::format("cannot clear every fault ({}); their leases will", left.error().message));
  journal_["left_to_their_leases"] = injected_.size();
}

}  // namespace

Json run(const Experiment& experiment, const RunContext& context) { return Run(experiment, context).all(); }

}  // namespace hs::chaos
