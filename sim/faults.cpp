#include "sim/faults.h"

#include <algorithm>

#include <fmt/format.h>

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

std::vector<Cure> ways_around(const Edge& e) {
  std::vector<Cure> out;
  if (int s = setting_at(e, Role::fallback); s >= 0) out.push_back({s, true});
  if (int s = setting_at(e, Role::provider); s >= 0 && e.alternative >= 0) out.push_back({s, std::string("b")});
  return out;
}

Setting& setting_of(App& app, int setting) { return app.settings[static_cast<size_t>(setting)]; }
Service& service_of(App& app, const Fault& f) { return app.services[static_cast<size_t>(f.service)]; }

// A busy edge whose caller has one of these knobs; the callee is what is ill.
bool strike(App& app, Dice& dice, Fault& f, std::initializer_list<Role> roles) {
  auto edges = edges_with(app, roles);
  if (edges.empty()) return false;
  f.edge = dice.pick(edges), f.service = callee_of(app, edge_of(app, f.edge)).service;
  f.cures = ways_around(edge_of(app, f.edge));
  return true;
}

void set_workers(Service& service, double workers) {
  auto each = static_cast<size_t>(workers) / service.instances.size();
  for (auto& i : service.instances) i.speed = 1, i.free_at.assign(std::max<size_t>(1, each), 0.0);
}

bool slow(App& app, Dice& dice, Fault& f) {
  f.size = dice.between(500, 1400);
  return strike(app, dice, f, {Role::fallback, Role::provider});
}

bool failing(App& app, Dice& dice, Fault& f) {
  if (!strike(app, dice, f, {Role::fallback, Role::provider, Role::retries})) return false;
  f.size = dice.between(0.15, f.cures.empty() ? 0.35 : 1.0);
  int s = setting_at(edge_of(app, f.edge), Role::retries);
  if (s >= 0 && f.size < 0.4) f.cures.push_back({s, int64_t{3}});
  return true;
}

// Always the same users, because of their data.
bool few_users(App& app, Dice& dice, Fault& f) {
  f.size = dice.between(0.05, 0.2);
  return strike(app, dice, f, {Role::fallback, Role::provider});
}

// One of several instances fails, and they are not equally fast.
bool instance(App& app, Dice& dice, Fault& f) {
  if (!strike(app, dice, f, {Role::fallback, Role::provider, Role::retries})) return false;
  Service& s = service_of(app, f);
  while (s.instances.size() < 3) s.instances.push_back(s.instances[0]);
  for (auto& i : s.instances) i.speed = dice.lognormal(1, 0.4);
  f.size = dice.between(0.5, 1);
  if (int r = setting_at(edge_of(app, f.edge), Role::retries); r >= 0) f.cures.push_back({r, int64_t{3}});
  return true;
}

// Every isolated knob is decided for an instance, and there are several, which are not alike.
void decide_by_instance(App& app, Dice& dice, Fault& f) {
  for (auto& s : app.settings) {
    if (s.knob.scope != config::KnobScope::request) continue;
    s.knob.scope = config::KnobScope::instance;
    auto& instances = app.services[static_cast<size_t>(app.reader_of(s))].instances;
    if (instances.size() > 1) continue;
    instances.resize(static_cast<size_t>(dice.integer(2, 4)), instances[0]);
    for (auto& i : instances) i.speed = dice.lognormal(1, 0.4);
  }
  for (size_t i = 0; i < app.services[0].instances.size(); ++i) f.flaky.push_back(dice.between(0, 0.08));
}

bool by_instance(App& app, Dice& dice, Fault& f) {
  if (!strike(app, dice, f, {Role::fallback, Role::provider})) return false;
  f.size = dice.between(0.15, 1.0);
  decide_by_instance(app, dice, f);
  return true;
}

bool bad_config(App& app, Dice& dice, Fault& f) {
  std::vector<int> ways;
  for (size_t i = 0; i < app.settings.size(); ++i)
    if (app.settings[i].role == Role::strict || app.settings[i].role == Role::verbose)
      ways.push_back(static_cast<int>(i));
  if (ways.empty()) return false;
  f.setting = dice.pick(ways), f.bad_base = true;
  f.service = setting_of(app, f.setting).service;
  f.cures = {{f.setting, setting_of(app, f.setting).knob.base}};
  return true;
}

// A pool that carries its calls as long as each takes no more than `ms`.
int64_t tight_pool(App& app, Fault& f, double ms) {
  int pool = setting_at(edge_of(app, f.edge), Role::pool);
  auto connections = static_cast<int64_t>(std::max(1.0, rate_over(app, f.edge) * ms / 1000));
  setting_of(app, pool).knob.base = connections;
  f.cures.push_back({pool, int64_t{64}});
  return connections;
}

// So few connections that a latency which is harmless in itself is more than they can carry.
bool pool(App& app, Dice& dice, Fault& f) {
  if (!strike(app, dice, f, {Role::pool})) return false;
  f.cures.clear();
  auto connections = static_cast<double>(tight_pool(app, f, 120));
  f.size = 1000 * connections / rate_over(app, f.edge) * dice.between(1.2, 1.6);
  return true;
}

// With the cache a fifth of the calls is made; without it all, and the pool is too small.
bool cache_loss(App& app, Dice& dice, Fault& f) {
  if (!strike(app, dice, f, {Role::pool})) return false;
  auto connections = static_cast<double>(tight_pool(app, f, 80));
  edge_of(app, f.edge).cache_hit = 0.8;
  service_of(app, f).work_ms = 1000 * connections / rate_over(app, f.edge) * 1.4;
  return true;
}

// The callee carries twice the normal rate, but not five attempts of each request.
bool retry_storm(App& app, Dice& dice, Fault& f) {
  if (!strike(app, dice, f, {Role::retries})) return false;
  Edge& e = edge_of(app, f.edge);
  Setting& s = setting_of(app, setting_at(e, Role::retries));
  s.knob.base = int64_t{4}, s.knob.effect = config::KnobEffect::shared, s.knob.scope = config::KnobScope::service;
  e.timeout_ms = 400;
  if (int t = setting_at(e, Role::timeout); t >= 0) setting_of(app, t).knob.base = int64_t{400};
  service_of(app, f).work_ms = 40;
  set_workers(service_of(app, f), rate_over(app, f.edge) * 0.040 * 2 + 0.5);
  f.size = 600;  // the trigger: slow for a few seconds
  f.cures = {{setting_at(e, Role::retries), int64_t{0}}};
  return true;
}

double rate_of(const App& app, int service) {
  double rate = 0;
  for (size_t e = 0; e < app.edges.size(); ++e)
    if (callee_of(app, app.edges[e]).service == service) rate += rate_over(app, static_cast<int>(e));
  for (const auto& e : app.entries)
    if (app.operations[static_cast<size_t>(e.operation)].service == service) rate += e.per_s;
  return rate;
}

bool overload(App& app, Dice& dice, Fault& f) {
  std::vector<int> ways;
  for (size_t i = 0; i < app.settings.size(); ++i)
    if (app.settings[i].role == Role::shed_ms || app.settings[i].role == Role::frugal)
      ways.push_back(static_cast<int>(i));
  if (ways.empty()) return false;
  f.setting = dice.pick(ways), f.service = setting_of(app, f.setting).service;
  double rate = rate_of(app, f.service);
  if (rate < 5) return false;
  f.size = 2.5;  // times the load; the service carries 1.8 times
  service_of(app, f).work_ms = 50;
  set_workers(service_of(app, f), rate * 0.055 * 1.8 + 1);
  bool frugal = setting_of(app, f.setting).role == Role::frugal;
  f.cures = {{f.setting, frugal ? config::Value(true) : config::Value(int64_t{100})}};
  return true;
}

bool stuffing(App& app, Dice& dice, Fault& f) {
  f.size = dice.between(30, 80), f.service = 0;
  for (size_t i = 0; i < app.settings.size(); ++i)
    if (app.settings[i].role == Role::rate_limit) f.cures = {{static_cast<int>(i), int64_t{5}}};
  return true;
}

bool passes(const App& app, int operation, int edge) {
  const auto& edges = app.operations[static_cast<size_t>(operation)].edges;
  return std::any_of(edges.begin(), edges.end(),
                     [&](int e) { return e == edge || passes(app, app.edges[static_cast<size_t>(e)].to, edge); });
}

// The knobs that would help do nothing, but for one, and that one breaks what was declared of another entry: its
// objective, or a KPI.
bool tradeoff(App& app, Dice& dice, Fault& f) {
  if (!strike(app, dice, f, {Role::fallback, Role::provider, Role::retries})) return false;
  f.cures.clear(), f.size = dice.between(0.5, 1);
  for (size_t e = 0; e < app.entries.size() && app.toll.entry < 0; ++e)
    if (!passes(app, app.entries[e].operation, f.edge)) app.toll.entry = static_cast<int>(e);
  if (app.toll.entry < 0) return false;
  Edge& edge = edge_of(app, f.edge);
  for (Role role : {Role::fallback, Role::provider, Role::retries}) edge.settings[static_cast<size_t>(role)] = -1;
  edge.settings[static_cast<size_t>(Role::fallback)] = f.setting = static_cast<int>(app.settings.size());
  Entry& paying = app.entries[static_cast<size_t>(app.toll.entry)];
  paying.per_s = std::max(paying.per_s, 10.0);
  const Service& door = app.services[0];
  if (app.toll.silent = dice.chance(0.5); app.toll.silent)
    app.kpis = {{.name = "orders",
                 .service = door.name,
                 .operation = app.operations[static_cast<size_t>(paying.operation)].name,
                 .attribute = "order",
                 .value = "placed"}};
  Setting s{.role = Role::toll, .edge = f.edge, .service = 0};
  s.knob.key = "toll", s.knob.base = false, s.knob.dependency = service_of(app, f).name;
  s.knob.services = {door.name};
  for (const auto& e : app.entries)
    if (const Operation& op = app.operations[static_cast<size_t>(e.operation)]; passes(app, e.operation, f.edge))
      s.knob.expect.push_back(
          {.service = door.name, .operation = op.name, .measure = config::Measure::errors, .when = "enabled"});
  app.settings.push_back(std::move(s));
  return true;
}

void declare_to_help(const App& app, Setting& s) {
  for (const auto& e : app.entries)
    s.knob.expect.push_back({.service = app.services[0].name,
                             .operation = app.operations[static_cast<size_t>(e.operation)].name,
                             .measure = config::Measure::errors,
                             .when = "enabled"});
}

// The entry itself fails: no knob helps. With hope, several are declared to.
bool at_entry(App& app, Dice& dice, Fault& f) {
  f.service = 0, f.size = f.kind == "deploy" ? dice.between(0.1, 0.3) : dice.between(0.2, 0.5);
  if (f.kind != "hopeless" && f.kind != "traps") return true;
  const int hopes = f.kind == "traps" ? 2 : 6;
  for (int i = 0; i < hopes; ++i) {
    Setting s{.role = Role::useless, .service = 0};
    s.knob.key = fmt::format("hope{}", i), s.knob.base = false, s.knob.services = {app.services[0].name};
    declare_to_help(app, s);
    app.settings.push_back(std::move(s));
  }
  return true;
}

// And of those that are decided for an instance and declared to help, some do harm.
bool traps(App& app, Dice& dice, Fault& f) {
  at_entry(app, dice, f);
  for (auto& s : app.settings)
    if (s.service == 0 && (s.role == Role::strict || s.role == Role::verbose)) declare_to_help(app, s);
  decide_by_instance(app, dice, f);
  return true;
}

bool benign(App&, Dice& dice, Fault& f) {
  f.service = 0, f.size = f.kind == "burst" ? dice.between(0.8, 2.4) : 2;
  return true;
}

using Make = bool (*)(App&, Dice&, Fault&);
const std::vector<std::pair<std::string, Make>>& makers() {
  static const std::vector<std::pair<std::string, Make>> all = {
      {"slow", slow},
      {"failing", failing},
      {"bad_config", bad_config},
      {"pool", pool},
      {"cache_loss", cache_loss},
      {"retry_storm", retry_storm},
      {"overload", overload},
      {"stuffing", stuffing},
      {"few_users", few_users},
      {"instance", instance},
      {"retrying", failing},  // and its users try again
      {"unrepairable", at_entry},
      {"hopeless", at_entry},
      {"deploy", at_entry},
      {"by_instance", by_instance},
      {"traps", traps},
      {"tradeoff", tradeoff},
      {"surge", benign},
      {"release", benign},
      {"burst", benign},
  };
  return all;
}

}  // namespace

const std::vector<std::string>& fault_kinds() {
  static const std::vector<std::string> kinds = [] {
    std::vector<std::string> out;
    for (const auto& [kind, make] : makers()) out.push_back(kind);
    return out;
  }();
  return kinds;
}

Fault make_fault(const std::string& kind, App& app, Dice& dice, int64_t start, int64_t end) {
  Fault f{.kind = kind, .start = start, .end = end};
  for (const auto& [name, make] : makers())
    if (name == kind && make(app, dice, f)) return f;
  return {};
}

void Fault::apply(App& app, int64_t second) const {
  if (!on(second)) return;
  if (kind == "overload" || kind == "surge") app.load *= size;
  if (kind == "stuffing") app.attack_per_s = size;
  if (kind == "burst") app.poisoned_per_s = size;
  if (kind == "retrying") app.user_retries = 3;
  for (size_t i = 0; i < flaky.size(); ++i) app.services[0].instances[i].flaky = flaky[i];
  if (kind == "cache_loss") app.edges[static_cast<size_t>(edge)].cache_factor = 0;
  if (service < 0) return;
  Service& target = app.services[static_cast<size_t>(service)];
  if (kind == "release" || kind == "deploy") target.version = std::to_string(start);
  if (kind == "slow" || kind == "pool") target.extra_ms = size;
  if (kind == "retry_storm" && second < start + 8) target.extra_ms = size;
  if (kind == "few_users") target.cursed = size;
  if (kind == "instance") target.sick_instance_fail = size;
  bool fails = kind == "failing" || kind == "retrying" || kind == "unrepairable" || kind == "hopeless" ||
               kind == "by_instance" || kind == "traps" || kind == "tradeoff";
  if (fails || kind == "deploy") target.fail = size;
}

}  // namespace hs::sim
