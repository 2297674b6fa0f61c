// The loop's side of the server: its ledger, its hands, what it publishes, and a human's word to it.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/loop/knobs_json.h"
#include "app/ledger_command.h"
#include "app/server.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"

namespace hs::app {
namespace {

using nlohmann::json;

// A head on stderr now and then, so that whoever collects the log keeps one on another machine.
constexpr int64_t head_log_ms = 60'000;

// The revision that an entry says was given out. A reversal's receipt has the older one that holds again.
std::optional<int64_t> revision_given_out(const ledger::Entry& entry) {
  const auto deed = hs::json::text(entry.payload, "deed");
  const bool is_new = entry.kind == "declared" || (entry.kind == "receipt" && (deed == "set" || deed == "promoted"));
  return is_new ? hs::json::integer(entry.payload, "revision") : std::nullopt;
}

}  // namespace

// A ledger that cannot be continued stops nothing but the loop's hands: the application's telemetry is still recorded
// and understood, and a human still has every order.
void Server::open_ledger() {
  const std::string directory = ledger_directory(data());
  ledger::Options options;
  options.max_bytes = static_cast<uint64_t>(settings().bytes("ledger.max_bytes"));
  options.on_head = [this, last = MonoNanos{0}](const ledger::SignedHead& head) mutable {
    ledger_size_.set(static_cast<int64_t>(head.head.size));
    if (last != 0 && clock_.mono() - last < head_log_ms * nanos_per_ms) return;
    last = clock_.mono();
    log::info("ledger head", {{"size", head.head.size}, {"note", head.note}});
  };
  auto key = ledger::ensure_key(directory, random_);
  auto opened = key ? ledger::Ledger::open(directory, io::system_disk(), clock_, std::move(*key), std::move(options))
                    : tl::unexpected(key.error());
  ledger_usable_.set(opened ? 1 : 0);
  if (opened) {
    ledger_ = std::move(*opened);
    return;
  }
  ledger_problem_ = opened.error().message;
  log::error("nothing is changed until the ledger is good again and serve is restarted", {{"why", ledger_problem_}});
}

Status Server::declare_knobs(const config::Snapshot& config) {
  HS_ASSIGN(const std::vector<std::string> dropped, actuator_->declare(config.declarations.knobs));
  for (const std::string& note : dropped) log::warn("a knob's value was dropped", {{"why", note}});
  return {};
}

Status Server::open_loop() {
  open_ledger();
  const int64_t floor = ledger_ == nullptr ? 0 : ledger_->newest(revision_given_out).value_or(0);
  actuator_ = std::make_unique<values::Actuator>(data() + "/values", clock_, random_, floor);
  HS_TRY(declare_knobs(*config_.load()));
  HS_TRY(io::make_directories(data() + "/loop"));
  metrics::add_collector([this](std::vector<metrics::Sample>& out) {
    const std::lock_guard lock(samples_mutex_);
    out.insert(out.end(), samples_.begin(), samples_.end());
  });
  recorder_ = std::make_unique<Recorder>(recording_directory(data()),
                                         static_cast<uint64_t>(settings().bytes("recording.max_bytes")));
  loop_ = std::make_unique<LoopThread>(
      LoopThread::Outside{.clock = clock_,
                          .actuator = *actuator_,
                          .ledger = ledger_.get(),
                          .observer = *observer_,
                          .state_file = data() + "/loop/state.json",
                          .baselines_file = data() + "/loop/baselines",
                          .stream_file = data() + "/loop/stream",
                          .recorder = *recorder_,
                          .seen = [this](const stream::Frame& frame) { team_kpis_.add(frame); },
                          .publish = [this](const auto& machine, const auto& defaults,
                                            UnixNanos at) { publish(machine, defaults, at); }},
      config_.load());
  return {};
}

Server::Mode Server::mode(bool stopped) const {
  if (!ledger_problem_.empty()) return {"watching", "decisions cannot be recorded: " + ledger_problem_};
  if (stopped) return {"stopped", "an operator stopped the loop; POST /v1/resume"};
  if (!settings().flag("loop.act")) return {"watching", "loop.act is false"};
  return {"acting", ""};
}

// On the loop's thread, once a second: everything that HTTP shows of the loop, whole.
void Server::publish(const loop::Machine& machine, const CodeDefaults& defaults, UnixNanos at) {
  auto next = std::make_shared<api::loop::Snapshot>();
  next->at = at;
  const json incidents = json::parse(machine.understanding().incidents_json(api::loop::items_max, ""), nullptr, false);
  for (const json& incident : incidents["incidents"])
    next->incidents.push_back(
        std::make_shared<api::loop::Item>(api::loop::Item{incident["id"], incident["state"], incident.dump()}));
  const std::vector<loop::InFlight> in_flight = machine.control().in_flight();
  const auto& changes = machine.changes().all();
  for (auto it = changes.rbegin(); it != changes.rend() && next->changes.size() < api::loop::items_max; ++it) {
    const auto live = std::find_if(in_flight.begin(), in_flight.end(),
                                   [&](const loop::InFlight& f) { return f.change.id == it->change.id; });
    next->changes.push_back(std::make_shared<api::loop::Item>(api::loop::Item{
        it->change.id, it->state, loop::to_json(*it, live == in_flight.end() ? nullptr : &*live).dump()}));
  }
  std::vector<metrics::Sample> samples;
  const auto config = config_.load();
  if (const auto state = actuator_->state()) {
    next->knobs = knobs_page(*state, defaults);
    loop::knob_samples(*state, config->declarations.knobs, clock_.mono(), io::boot_id(), samples);
  }
  next->kpis = machine.understanding().kpis_json(at);
  next->objectives = machine.understanding().objectives_json();
  const Mode now = mode(machine.control().stopped());
  acting_.set(now.name == "acting" ? 1 : 0);
  next->status = json{{"mode", now.name}, {"why", now.why}}.dump();
  machine.understanding().samples(samples);
  loop::loop_samples(machine, config->declarations, at, samples);
  team_kpis_.samples(config->declarations.kpis, at, samples);
  samples.push_back({"homeostat_changes_per_hour_max", "What loop.changes_per_hour allows", "gauge", "",
                     static_cast<double>(config->settings.integer("loop.changes_per_hour"))});
  {
    const std::lock_guard lock(samples_mutex_);
    samples_ = std::move(samples);
  }
  snapshot_.store(std::move(next));
}

// Every knob as it is, and what telemetry shows of the application's own defaults.
std::string Server::knobs_page(const values::State& state, const CodeDefaults& defaults) {
  const std::vector<config::Knob>& declared = config_.load()->declarations.knobs;
  json page = json::parse(api::loop::knobs_json(state, declared, clock_.mono(), io::boot_id()), nullptr, false);
  for (json& knob : page["knobs"])
    for (const config::Knob& one : declared)
      if (hs::json::text(knob, "key") == one.key) knob["code_defaults"] = defaults.of(one);
  code_defaults_.set(static_cast<int64_t>(defaults.differing(declared)));
  return hs::json::dump(page);
}

void Server::order(const api::loop::Order& order, const http::Done& done) {
  using enum api::loop::OrderKind;
  const UnixNanos now = clock_.wall();
  const std::string who = order.who.empty() ? order.credential : order.who;
  bool taken = false;
  if (order.kind == stop || order.kind == resume)
    taken = loop_->order({.at = now,
                          .order = order.kind == stop ? loop::Order::stop : loop::Order::resume,
                          .knob = order.knob,
                          .who = who,
                          .why = order.why});
  if (order.kind == reset_knobs) taken = loop_->reset(order.knob, who, order.why);
  if (order.kind == told_change)
    taken = loop_->tell({.second = (order.at == 0 ? now : order.at) / nanos_per_s,
                         .service = order.service,
                         .kind = order.change_kind,
                         .detail = order.detail,
                         .credential = order.credential});
  done(taken ? http::Response::json(202, R"({"accepted":true})")
             : http::Response::error({Code::unavailable, "too many orders wait for the loop; try again", 1000}));
}

}  // namespace hs::app
