#include "chaos/experiments.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/text.h"
#include "chaos/api.h"
#include "chaos/runner.h"

namespace hs::chaos {
namespace {

using http::Request;
using http::Response;
using json::Json;

Json time_or_null(UnixNanos at) { return at == 0 ? Json() : Json(format_rfc3339(at)); }

}  // namespace

Experiments::Experiments(io::Http& http, io::Clock& clock, Faults& faults,
                         std::function<std::vector<std::string>()> hosts)
    : http_(http), clock_(clock), faults_(faults), hosts_(std::move(hosts)) {}

Experiments::~Experiments() {
  thread_.request_stop();
  {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::milliseconds(rollbacks_ms), [this] { return !running_; });
  }
  cut_off_.request_stop();
  if (thread_.joinable()) thread_.join();
}

Result<std::string> Experiments::start(std::string_view text) {
  HS_ASSIGN(const HostList hosts, HostList::parse(hosts_()));
  const std::vector<config::Proxy> proxies = faults_.proxies();
  const ExperimentContext context{hosts, proxies, true, [](const std::string&) { return std::nullopt; }};
  HS_ASSIGN(Experiment experiment, parse_experiment(text, context));
  const std::lock_guard lock(mutex_);
  if (running_) return fail(Code::conflict, "another experiment runs; wait for its end or stop it");
  if (thread_.joinable()) thread_.join();  // it has ended: running_ is its last word
  running_ = true;
  const UnixNanos now = clock_.wall();
  const std::string id = fmt::format("exp-{}-{}", now / nanos_per_ms, ++ids_);
  entries_.push_back({.id = id, .title = printable(experiment.title, 200), .started = now});
  if (entries_.size() > experiments_kept_max) entries_.pop_front();
  thread_ = std::jthread(
      [this, id, experiment = std::move(experiment)](const std::stop_token& stop) { run_one(experiment, id, stop); });
  return id;
}

void Experiments::run_one(const Experiment& experiment, const std::string& id, const std::stop_token& stop) {
  const auto pause = [&](int64_t ms) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, std::chrono::milliseconds(ms), [] { return false; });
    return !stop.stop_requested();
  };
  const auto say = [&](std::string_view line) {
    const std::lock_guard lock(mutex_);
    Entry* const one = entry(id);
    if (one != nullptr && one->lines.size() < lines_kept_max) one->lines.push_back(printable(line, 1'000));
  };
  Json journal = run(experiment, {http_, clock_, faults_, pause, say, stop, cut_off_.get_token()});
  const std::lock_guard lock(mutex_);
  if (Entry* const one = entry(id)) {
    one->status = json::text(journal, "status").value_or("aborted");
    one->ended = clock_.wall();
    one->journal = std::move(journal);
  }
  running_ = false;
  wake_.notify_all();
}

Status Experiments::stop(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const Entry* const one = entry(id);
  if (one == nullptr) return fail(Code::not_found, fmt::format("no experiment '{}' is known", printable(id, 64)));
  if (one->ended == 0) thread_.request_stop();
  return {};
}

Experiments::Entry* Experiments::entry(std::string_view id) {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.id == id; });
  return found == entries_.end() ? nullptr : &*found;
}

Json Experiments::summary(const Entry& entry) {
  return {{"id", entry.id},
          {"title", entry.title},
          {"status", entry.status},
          {"started", time_or_null(entry.started)},
          {"ended", time_or_null(entry.ended)}};
}

Json Experiments::list() const {
  const std::lock_guard lock(mutex_);
  Json all = Json::array();
  for (auto e = entries_.rbegin(); e != entries_.rend(); ++e) all.push_back(summary(*e));
  return {{"experiments", std::move(all)}};
}

Result<Json> Experiments::find(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  for (const Entry& e : entries_) {
    if (e.id != id) continue;
    Json out = summary(e);
    out["lines"] = e.lines;
    out["journal"] = e.journal;
    return out;
  }
  return fail(Code::not_found, fmt::format("no experiment '{}' is known", printable(id, 64)));
}

http::Routes routes(Experiments& experiments, std::function<bool()> enabled) {
  const auto only_enabled = [enabled](std::function<Response(const Request&)> f) {
    return http::answer([enabled, f = std::move(f)](const Request& request) {
      return enabled() ? f(request) : Response::error(disabled());
    });
  };
  const auto start = [&experiments](const Request& request) {
    const auto id = experiments.start(request.body);
    if (!id) return Response::error(id.error());
    return Response::json(201, json::dump({{"id", *id}, {"status", "running"}}));
  };
  const auto one = [&experiments](const Request& request) {
    const auto found = experiments.find(request.param("id"));
    return found ? Response::json(200, json::dump(*found)) : Response::error(found.error());
  };
  const auto stop = [&experiments](const Request& request) {
    const Status asked = experiments.stop(request.param("id"));
    return asked ? Response::json(202, R"({"stopping":true})") : Response::error(asked.error());
  };
  return {
      {"POST", "/v1/chaos/experiments", only_enabled(start)},
      {"GET", "/v1/chaos/experiments",
       http::answer([&](const Request&) { return Response::json(200, json::dump(experiments.list())); })},
      {"GET", "/v1/chaos/experiments/{id}", http::answer(one)},
      {"DELETE", "/v1/chaos/experiments/{id}", only_enabled(stop)},
  };
}

}  // namespace hs::chaos
