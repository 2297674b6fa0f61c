#include "sim/faults.h"

#include <algorithm>

namespace hs::sim {
namespace {

Edge& edge_of(App& app, int edge) { return app.edges[static_cast<size_t>(edge)]; }
const Operation& callee_of(const App& app, const Edge& e) { return app.operations[static_cast<size_t>(e.to)]; }
int setting_at(const Edge& e, Role role) { return e.settings[static_cast<size_t>(role)]; }

// How often an edge is used a second when nothing is cached and nothing fails.
double rate_over(const App& app, int edge) {
  const auto& wanted = app.edges[static_cast<size_t>(edge)];
  double sum = 0;
  std::vector<std::pair<int, double>> todo;
  for (const auto& e : app.entries) todo.emplace_back(e.operation, e.per_s);
  while (!todo.empty()) {
    auto [op, rate] = todo.back();
    todo.pop_back();
    for (int i : app.operations[static_cast<size_t>(op)].edges) {
      const Edge& e = app.edges[static_cast<size_t>(i)];
      if (&e == &wanted) sum += rate;
      todo.emplace_back(e.to, rate);
    }
  }
  return sum;
}

size_t callers_of(const App& app, int operation) {
  auto calls = [&](const Edge& e) { return e.to == operation; };
  return static_cast<size_t>(std::count_if(app.edges.begin(), app.edges.end(), calls));
}

std::vector<int> edges_with(const App& app, std::initializer_list<Role> roles) {
  std::vector<int> out;
  for (size_t i = 0; i < app.edges.size(); ++i) {
    bool has = std::any_of(roles.begin(), roles.end(), [&](Role r) { return setting_at(app.edges[i], r) >= 0; });
    if (has && rate_over(app, static_cast<int>(i)) >= 5) out.push_back(static_cast<int>(i));
  }
  // One caller's knob cures what only that caller suffers from.
  auto lonely = out;
  std::erase_if(lonely, [&](int i) { return callers_of(app, app.edges[static_cast<size_t>(i)].to) > 1; });
  return lonely.empty() ? out : lonely;
}

std::vector<Cure> ways_around(const App& app, const Edge& e) {
  std::vector<Cure> out;
  if (int s = setting_at(e, Role::fallback); s >= 0) out.push_back({s, true});
  if (int s = setting_at(e, Role::provider); s >= 0 && e.alternative >= 0) out.push_back({s, std::string("b")});
  (void)app;
  return out;
}

Fault slow(App& app, Dice& dice, Fault f) {
  auto edges = edges_with(app, {Role::fallback, Role::provider});
  if (edges.empty()) return {};
  f.edge = dice.pick(edges), f.true_kind = "slow";
  f.service = callee_of(app, edge_of(app, f.edge)).service;
  f.size = dice.between(500, 1400), f.cures = ways_around(app, edge_of(app, f.edge));
  return f;
}

Fault failing(App& app, Dice& dice, Fault f) {
  auto edges = edges_with(app, {Role::fallback, Role::provider, Role::retries});
  if (edges.empty()) return {};
  f.edge = dice.pick(edges), f.true_kind = "errors";
  Edge& e = edge_of(app, f.edge);
  f.service = callee_of(app, e).service;
  f.cures = ways_around(app, e);
  f.size = f.cures.empty() ? dice.between(0.15, 0.35) : dice.between(0.15, 1.0);
  if (int s = setting_at(e, Role::retries); s >= 0 && f.size < 0.4) f.cures.push_back({s, int64_t{3}});
  return f;
}

Fault bad_config(App& app, Dice& dice, Fault f) {
  std::vector<std::pair<int, config::Value>> ways;
  for (size_t i = 0; i < app.settings.size(); ++i) {
    const Setting& s = app.settings[i];
    int index = static_cast<int>(i);
    if (s.edge >= 0 && rate_over(app, s.edge) < 5) continue;
    if (s.role == Role::strict || s.role == Role::verbose) ways.emplace_back(index, true);
  }
  if (ways.empty()) return {};
  auto [setting, value] = dice.pick(ways);
  f.setting = setting, f.bad_base = value, f.true_kind = "change";
  f.cures = {{setting, app.settings[static_cast<size_t>(setting)].knob.base}};
  return f;
}

Fault pool(App& app, Dice& dice, Fault f) {
  auto edges = edges_with(app, {Role::pool});
  if (edges.empty()) return {};
  f.edge = dice.pick(edges), f.true_kind = "saturated";
  Edge& e = edge_of(app, f.edge);
  f.service = callee_of(app, e).service;
  int s = setting_at(e, Role::pool);
  // So few connections that a latency which is harmless in itself is more than they can carry.
  double rate = rate_over(app, f.edge);
  auto connections = static_cast<int64_t>(std::max(1.0, rate * 0.120));
  app.settings[static_cast<size_t>(s)].knob.base = connections;
  f.size = 1000 * static_cast<double>(connections) / rate * dice.between(1.2, 1.6);
  f.cures = {{s, int64_t{64}}};
  return f;
}

Fault cache_loss(App& app, Dice& dice, Fault f) {
  auto edges = edges_with(app, {Role::pool});
  if (edges.empty()) return {};
  f.edge = dice.pick(edges), f.true_kind = "saturated";
  Edge& e = edge_of(app, f.edge);
  f.service = callee_of(app, e).service;
  int s = setting_at(e, Role::pool);
  double rate = rate_over(app, f.edge);
  auto connections = static_cast<int64_t>(std::max(1.0, rate * 0.080));
  app.settings[static_cast<size_t>(s)].knob.base = connections;
  e.cache_hit = 0.8;  // with it a fifth of the calls is made; without it all, and the pool is too small
  app.services[static_cast<size_t>(f.service)].work_ms = 1000 * static_cast<double>(connections) / rate * 1.4;
  f.size = 0, f.cures = ways_around(app, e);
  f.cures.push_back({s, int64_t{64}});
  return f;
}

Fault retry_storm(App& app, Dice& dice, Fault f) {
  auto edges = edges_with(app, {Role::retries});
  if (edges.empty()) return {};
  f.edge = dice.pick(edges), f.true_kind = "retries";
  Edge& e = edge_of(app, f.edge);
  f.service = callee_of(app, e).service;
  Setting& s = app.settings[static_cast<size_t>(setting_at(e, Role::retries))];
  s.knob.base = int64_t{4}, s.knob.effect = config::KnobEffect::shared, s.knob.scope = config::KnobScope::service;
  e.timeout_ms = 400;
  if (int t = setting_at(e, Role::timeout); t >= 0) app.settings[static_cast<size_t>(t)].knob.base = int64_t{400};
  // The callee carries twice the normal rate, but not five attempts of each request.
  Service& callee = app.services[static_cast<size_t>(f.service)];
  callee.work_ms = 40;
  auto workers = static_cast<size_t>(std::max(1.0, rate_over(app, f.edge) * 0.040 * 2 + 0.5));
  for (auto& i : callee.instances) i.free_at.assign(std::max<size_t>(1, workers / callee.instances.size()), 0.0);
  f.size = 600;  // the trigger: slow for a few seconds
  f.cures = {{setting_at(e, Role::retries), int64_t{0}}};
  return f;
}

Fault overload(App& app, Dice& dice, Fault f) {
  std::vector<int> ways;
  for (size_t i = 0; i < app.settings.size(); ++i)
    if (app.settings[i].role == Role::shed_ms || app.settings[i].role == Role::frugal)
      ways.push_back(static_cast<int>(i));
  if (ways.empty()) return {};
  f.setting = dice.pick(ways), f.true_kind = "load";
  const Setting& s = app.settings[static_cast<size_t>(f.setting)];
  f.service = s.service;
  Service& service = app.services[static_cast<size_t>(f.service)];
  double rate = 0;
  for (size_t e = 0; e < app.edges.size(); ++e)
    if (callee_of(app, app.edges[e]).service == f.service) rate += rate_over(app, static_cast<int>(e));
  for (const auto& e : app.entries)
    if (app.operations[static_cast<size_t>(e.operation)].service == f.service) rate += e.per_s;
  if (rate < 5) return {};
  f.size = 2.5;  // times the load; the service carries 1.8 times
  service.work_ms = 50;
  auto workers = static_cast<size_t>(rate * 0.055 * 1.8 + 1);
  for (auto& i : service.instances) {
    i.speed = 1;
    i.free_at.assign(std::max<size_t>(1, workers / service.instances.size()), 0.0);
  }
  f.cures = {{f.setting, s.role == Role::frugal ? config::Value(true) : config::Value(int64_t{100})}};
  return f;
}

Fault stuffing(App& app, Dice& dice, Fault f) {
  f.size = dice.between(30, 80), f.service = 0, f.true_kind = "security";
  for (size_t i = 0; i < app.settings.size(); ++i)
    if (app.settings[i].role == Role::rate_limit) f.cures = {{static_cast<int>(i), int64_t{4}}};
  return f;
}

Fault unrepairable(App& app, Dice& dice, Fault f) {
  f.service = 0, f.true_kind = "errors", f.size = dice.between(0.2, 0.5);
  (void)app;
  return f;
}

}  // namespace

const std::vector<std::string>& fault_kinds() {
  static const std::vector<std::string> kinds = {"slow",        "failing",  "bad_config", "pool",         "cache_loss",
                                                 "retry_storm", "overload", "stuffing",   "unrepairable", "deploy"};
  return kinds;
}

Fault make_fault(const std::string& kind, App& app, Dice& dice, int64_t start, int64_t end) {
  Fault f{.kind = kind, .start = start, .end = end};
  if (kind == "slow") return slow(app, dice, f);
  if (kind == "failing") return failing(app, dice, f);
  if (kind == "bad_config") return bad_config(app, dice, f);
  if (kind == "pool") return pool(app, dice, f);
  if (kind == "cache_loss") return cache_loss(app, dice, f);
  if (kind == "retry_storm") return retry_storm(app, dice, f);
  if (kind == "overload") return overload(app, dice, f);
  if (kind == "stuffing") return stuffing(app, dice, f);
  Fault u = unrepairable(app, dice, f);
  if (kind == "deploy") u.true_kind = "change", u.size = dice.between(0.1, 0.3);
  return u;
}

void Fault::apply(App& app, int64_t second) const {
  bool on = second >= start && second < end;
  if (kind == "overload") app.load = on ? size : 1;
  if (kind == "stuffing") app.attack_per_s = on ? size : 0;
  if (kind == "cache_loss") app.edges[static_cast<size_t>(edge)].cache_factor = on ? 0 : 1;
  if (service < 0) return;
  Service& target = app.services[static_cast<size_t>(service)];
  if (kind == "slow" || kind == "pool") target.extra_ms = on ? size : 0;
  if (kind == "retry_storm") target.extra_ms = on && second < start + 8 ? size : 0;
  if (kind == "failing" || kind == "unrepairable" || kind == "deploy") target.fail = on ? size : 0;
}

}  // namespace hs::sim
