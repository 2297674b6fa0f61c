#include "loop/testing/application.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace hs::loop::testing {
namespace {

const std::array<const char*, disturbances> disturbance_names{
    "service_errors", "service_slow", "service_hangs", "service_down",     "instance_errors", "instance_slow",
    "peer_slow",      "peer_errors",  "edge_slow",     "pool_exhausted",   "bad_deploy",      "cache_lost",
    "retry_storm",    "overload",     "attack",        "operation_errors", "operation_slow",  "instance_hangs"};

constexpr double network_ms = 0.4;

}  // namespace

std::string name_of(Disturbance d) { return disturbance_names[static_cast<size_t>(d)]; }

Application::Application(const Options& options) : options_(options), dice_(options.seed * 7919 + 13) {
  build_services();
  build_peers();
  build_steps();
  estimate_visits();
  pending_.resize(services_.size());
  for (size_t i = 0; i < services_.size(); ++i) pending_[i].resize(static_cast<size_t>(services_[i].instances));
}

std::string Application::word() {
  static const std::array<const char*, 16> parts{"ka",  "lo",  "mi",  "ru",  "se",  "to",  "vi",  "na",
                                                 "ble", "cor", "dan", "fel", "gus", "hem", "jor", "pix"};
  std::string out;
  for (int i = 0; i < 3; ++i) out += parts[static_cast<size_t>(dice_.below(16))];
  return out;
}

std::string Application::address_of(int service) const { return fmt::format("10.0.0.{}", service + 1); }

void Application::build_services() {
  for (int i = 0; i < options_.services; ++i) {
    Service s;
    s.name = word() + std::to_string(i);
    s.instances = 1 + dice_.below(3);
    const int operations = 1 + dice_.below(3);
    for (int o = 0; o < operations; ++o) {
      Operation op;
      op.name = (dice_.chance(0.5) ? "GET /" : "POST /") + word();
      op.self_ms = dice_.lognormal(4, 0.7);
      op.sigma = dice_.between(0.2, 0.6);
      s.operations.push_back(op);
    }
    services_.push_back(s);
  }
  for (size_t o = 0; o < services_[0].operations.size(); ++o) entries_.emplace_back(0, static_cast<int>(o));
  if (options_.services > 6) entries_.emplace_back(1, 0);
  login_ = options_.services - 1;  // a leaf; the entry's first operation calls it
}

void Application::build_peers() {
  static const std::array<const char*, 5> systems{"redis", "postgresql", "mysql", "", ""};
  for (size_t i = 0; i < systems.size(); ++i) {
    Peer p;
    p.system = systems[i];
    p.name = p.system.empty() ? fmt::format("192.168.7.{}:443", i) : p.system;
    p.ms = i == 0 ? 0.8 : dice_.lognormal(5, 0.5);
    peers_.push_back(p);
  }
}

void Application::build_steps() {
  const int n = options_.services;
  for (int i = 0; i < n; ++i) {
    for (Operation& op : services_[static_cast<size_t>(i)].operations) {
      const int calls = i + 1 >= n ? 0 : i == 0 ? 2 + dice_.below(2) : dice_.below(3);
      for (int c = 0; c < calls; ++c) {
        Step s;
        s.service = std::min(n - 1, i + 1 + dice_.below(std::max(2, n / 2)));
        if (s.service <= i || (i != 0 && s.service == 1 && n > 6)) continue;
        s.operation = dice_.below(static_cast<int>(services_[static_cast<size_t>(s.service)].operations.size()));
        s.probability = dice_.chance(0.6) ? 1 : dice_.between(0.3, 0.9);
        s.mandatory = dice_.chance(0.8);
        s.retries = dice_.below(3) == 0 ? 1 : 0;
        s.timeout_ms = dice_.chance(0.5) ? 1000 : 2000;
        op.steps.push_back(s);
      }
      if (i == 0 || dice_.chance(0.6)) {
        const bool pair = i != 0 && dice_.chance(0.4);  // a cache, then the database on a miss
        if (pair) op.steps.push_back({.peer = 0, .mandatory = false, .timeout_ms = 1000});
        Step s;
        s.peer = 1 + dice_.below(static_cast<int>(peers_.size()) - 1);
        s.cached = pair;
        s.timeout_ms = 2000;
        op.steps.push_back(s);
      }
    }
  }
  services_[0].operations[0].steps.insert(services_[0].operations[0].steps.begin(),
                                          Step{.service = login_, .operation = 0, .mandatory = true});
}

// Expected requests of each service per entry request, by following the graph.
void Application::estimate_visits() {
  visits_.assign(services_.size(), 0);
  std::vector<std::vector<double>>& per = operation_visits_;
  per.assign(services_.size(), {});
  for (size_t i = 0; i < services_.size(); ++i) per[i].assign(services_[i].operations.size(), 0);
  for (const auto& [s, o] : entries_)
    per[static_cast<size_t>(s)][static_cast<size_t>(o)] += 1.0 / static_cast<double>(entries_.size());
  for (size_t i = 0; i < services_.size(); ++i)
    for (size_t o = 0; o < services_[i].operations.size(); ++o) {
      visits_[i] += per[i][o];
      for (const Step& step : services_[i].operations[o].steps)
        if (step.service >= 0)
          per[static_cast<size_t>(step.service)][static_cast<size_t>(step.operation)] += per[i][o] * step.probability;
    }
  for (size_t i = 0; i < services_.size(); ++i)
    services_[i].capacity = std::max(20.0, visits_[i] * options_.requests_per_s * 3.2);
}

const Fault* Application::active(Disturbance kind, int service, double at_ms) const {
  for (const Fault& f : faults_)
    if (f.kind == kind && f.service == service && at_ms >= f.from_s * 1000 && at_ms < f.to_s * 1000) return &f;
  return nullptr;
}

double Application::queueing(const Service& s) const {
  const double busy = std::min(0.97, s.load / s.capacity);
  return 1 / (1 - busy * busy * busy);
}

double Application::self_ms(const Service& s, int index, int operation, int instance, double at_ms) {
  const Operation& o = s.operations[static_cast<size_t>(operation)];
  double ms = dice_.lognormal(o.self_ms, o.sigma) * queueing(s);
  if (const Fault* f = active(Disturbance::service_slow, index, at_ms)) ms = ms * 3 * f->strength + 15;
  if (const Fault* f = active(Disturbance::bad_deploy, index, at_ms); f != nullptr && f->strength < 1) ms = ms * 4 + 20;
  if (const Fault* f = active(Disturbance::instance_slow, index, at_ms); f != nullptr && f->instance == instance)
    ms = ms * 4 * f->strength + 30;
  if (const Fault* f = active(Disturbance::operation_slow, index, at_ms); f != nullptr && f->operation == operation)
    ms = ms * 3 * f->strength + 25;
  if (const Fault* f = active(Disturbance::pool_exhausted, index, at_ms)) ms += dice_.exponential(60 * f->strength);
  return ms;
}

bool Application::fails_itself(int index, int operation, int instance, double at_ms) {
  if (dice_.chance(options_.error_rate)) return true;
  if (const Fault* f = active(Disturbance::service_errors, index, at_ms); f && dice_.chance(0.3 * f->strength))
    return true;
  if (const Fault* f = active(Disturbance::bad_deploy, index, at_ms); f && f->strength >= 1 && dice_.chance(0.3))
    return true;
  if (const Fault* f = active(Disturbance::retry_storm, index, at_ms); f && dice_.chance(0.35)) return true;
  const Fault* f = active(Disturbance::instance_errors, index, at_ms);
  if (f != nullptr && f->instance == instance && dice_.chance(0.6)) return true;
  f = active(Disturbance::operation_errors, index, at_ms);
  if (f != nullptr && f->operation == operation && dice_.chance(0.3 * f->strength)) return true;
  const Service& s = services_[static_cast<size_t>(index)];
  return s.load > s.capacity * 1.05 && dice_.chance(1 - s.capacity / s.load);
}

std::vector<Delivery> Application::run(int64_t second) {
  for (Service& s : services_) s.load = s.arrivals, s.arrivals = 0;
  for (const Fault& f : faults_)
    if (f.kind == Disturbance::bad_deploy && static_cast<double>(second) >= f.from_s)
      services_[static_cast<size_t>(f.service)].version = "1.1";
  double rate = options_.requests_per_s * load_factor_;
  bool attack = false;
  for (const Fault& f : faults_) {
    const bool on = static_cast<double>(second) >= f.from_s && static_cast<double>(second) < f.to_s;
    if (on && f.kind == Disturbance::overload) rate *= 5 * f.strength;
    attack |= on && f.kind == Disturbance::attack;
  }
  const double from = static_cast<double>(second) * 1000;
  for (int i = dice_.poisson(rate); i > 0; --i) serve_entry(from + dice_.uniform() * 1000, false);
  for (int i = attack ? dice_.poisson(60) : 0; i > 0; --i) serve_entry(from + dice_.uniform() * 1000, true);
  std::vector<Delivery> out;
  const double now = from + 1000;
  for (size_t s = 0; s < services_.size(); ++s)
    for (size_t i = 0; i < pending_[s].size(); ++i) {
      // Each exporter has its own phase: what ended before its last turn is delivered now.
      const double phase = std::fmod(static_cast<double>(s * 7 + i * 3) * 0.137, 1.0) * options_.export_ms;
      const double turn = now - phase;
      auto& all = pending_[s][i];
      const auto ready = std::partition(all.begin(), all.end(), [&](const Spanned& x) { return x.end_ms > turn; });
      std::vector<Spanned> sent(ready, all.end());
      all.erase(ready, all.end());
      if (sent.empty()) continue;
      const auto at = static_cast<UnixNanos>(epoch_s * nanos_per_s + static_cast<int64_t>(now * 1e6));
      out.push_back({at, to_batch(static_cast<int>(s), static_cast<int>(i), sent)});
    }
  if (!denials_.empty()) {
    Delivery d{static_cast<UnixNanos>(epoch_s * nanos_per_s + static_cast<int64_t>(now * 1e6)), {}};
    d.batch = to_batch(login_, 0, {});
    d.batch.signal = model::Signal::logs;
    for (const auto& [at, body] : denials_) {
      model::Logs& l = d.batch.logs;
      l.resource.push_back(0);
      l.time.push_back(epoch_s * nanos_per_s + static_cast<int64_t>(at * 1e6));
      l.observed_time.push_back(0);
      l.severity.push_back(13);
      l.body.push_back(d.batch.arena.copy(body));
      l.trace_id.push_back({});
      l.span_id.push_back(0);
      l.attributes.end_row();
    }
    denials_.clear();
    out.push_back(std::move(d));
  }
  return out;
}

void Application::serve_entry(double at_ms, bool attacker) {
  Request r;
  const uint64_t a = dice_.next(), b = dice_.next();
  std::memcpy(r.trace.data(), &a, 8);
  std::memcpy(r.trace.data() + 8, &b, 8);
  r.attacker = attacker;
  r.subject = attacker ? fmt::format("203.0.{}.{}", dice_.below(20), dice_.below(250))
                       : fmt::format("10.9.0.{}", dice_.below(40));
  const auto entry =
      attacker ? entries_[0] : entries_[static_cast<size_t>(dice_.below(static_cast<int>(entries_.size())))];
  serve(r, entry.first, entry.second, at_ms, 0);
}

Application::Answer Application::serve(const Request& request, int service, int operation, double at_ms,
                                       uint64_t parent) {
  Service& s = services_[static_cast<size_t>(service)];
  const Operation& op = s.operations[static_cast<size_t>(operation)];
  s.arrivals += 1;
  const int instance = dice_.below(s.instances);
  if (active(Disturbance::service_down, service, at_ms)) return {at_ms + 0.3, true, true};
  if (active(Disturbance::service_hangs, service, at_ms)) return {at_ms + 1e7, true, false};
  if (const Fault* f = active(Disturbance::instance_hangs, service, at_ms); f != nullptr && f->instance == instance)
    return {at_ms + 1e7, true, false};
  Spanned span;
  span.service = service;
  span.instance = instance;
  span.trace = request.trace;
  span.id = next_id_++;
  span.parent = parent;
  span.start_ms = at_ms;
  span.name = op.name;
  span.subject = request.subject;
  const double work = self_ms(s, service, operation, instance, at_ms);
  double now = at_ms + work * 0.6;
  bool failed = fails_itself(service, operation, instance, at_ms);
  bool denied = service == login_ && (request.attacker ? dice_.chance(0.97) : dice_.chance(0.03));
  bool missed = false;
  for (const Step& step : op.steps) {
    if (failed || denied) break;
    const bool lost = active(Disturbance::cache_lost, service, at_ms) != nullptr;
    if (step.peer == 0) missed = lost || dice_.chance(0.1);
    if (step.cached && !missed) continue;
    if (!dice_.chance(step.probability)) continue;
    const Answer a = call(request, service, instance, step, now, span.id);
    now = a.end_ms;
    failed |= a.failed && step.mandatory;
    denied |= a.denied;
  }
  span.end_ms = now + work * 0.4;
  if (!std::isfinite(span.end_ms) || span.end_ms > at_ms + 1e6) return {at_ms + 1e7, true, false};
  span.status = failed ? 2 : 0;
  span.http = failed ? 500 : denied ? 401 : 200;
  if (denied)
    denials_.emplace_back(span.end_ms,
                          fmt::format("login denied for user u{} from {}", dice_.below(5000), request.subject));
  pending_[static_cast<size_t>(service)][static_cast<size_t>(instance)].push_back(span);
  return {span.end_ms, failed, true, denied};
}

// What is behind a call: a service or a peer. Returns when it answers, not when the caller gives up.
Application::Answer Application::reach(const Request& request, int service, const Step& step, double at_ms,
                                       uint64_t span) {
  if (step.service >= 0) {
    double delay = network_ms;
    for (const Fault& f : faults_)
      if (f.kind == Disturbance::edge_slow && f.service == service && f.peer == step.service &&
          at_ms >= f.from_s * 1000 && at_ms < f.to_s * 1000)
        delay += 40 * f.strength * dice_.between(0.7, 1.3);
    Answer a = serve(request, step.service, step.operation, at_ms + delay / 2, span);
    a.end_ms += delay / 2;
    return a;
  }
  double ms = dice_.lognormal(peers_[static_cast<size_t>(step.peer)].ms, 0.35);
  if (step.cached) ms *= 6;  // what is worth a cache is dear
  bool failed = dice_.chance(options_.error_rate / 3);
  for (const Fault& f : faults_) {
    if (f.peer != step.peer || at_ms < f.from_s * 1000 || at_ms >= f.to_s * 1000) continue;
    if (f.kind == Disturbance::peer_slow) ms = ms * 4 * f.strength + 25;
    if (f.kind == Disturbance::peer_errors) failed |= dice_.chance(0.5 * f.strength);
  }
  return {at_ms + ms, failed, true};
}

Application::Answer Application::call(const Request& request, int service, int instance, const Step& step, double at_ms,
                                      uint64_t parent) {
  int retries = step.retries;
  if (step.service >= 0 && active(Disturbance::retry_storm, step.service, at_ms) != nullptr) retries += 5;
  Answer last{at_ms, true, true};
  for (int attempt = 0; attempt <= retries && last.failed; ++attempt) {
    Spanned span;
    span.service = service;
    span.instance = instance;
    span.kind = 3;
    span.trace = request.trace;
    span.id = next_id_++;
    span.parent = parent;
    span.start_ms = last.end_ms;
    Answer a = reach(request, service, step, span.start_ms, span.id);
    if (a.end_ms > span.start_ms + step.timeout_ms) a = {span.start_ms + step.timeout_ms, true, true};
    span.end_ms = a.end_ms;
    span.status = a.failed || a.denied ? 2 : 0;
    span.http = a.denied ? 401 : 0;
    if (step.service >= 0) {
      span.name = "HTTP call";
      span.address = address_of(step.service);
    } else {
      span.name = "query";
      span.system = peers_[static_cast<size_t>(step.peer)].system;
      span.address = peers_[static_cast<size_t>(step.peer)].name;
    }
    pending_[static_cast<size_t>(service)][static_cast<size_t>(instance)].push_back(span);
    last = a;
  }
  return last;
}

}  // namespace hs::loop::testing
