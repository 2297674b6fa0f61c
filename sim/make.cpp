// A random application: topology, capacities, users and settings, from the dice.

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/hash.h"
#include "sim/app.h"

namespace hs::sim {
namespace {

using config::Expectation;
using config::Knob;
using config::KnobEffect;
using config::KnobScope;
using config::KnobType;
using config::Measure;

constexpr double per_s_total_min = 35, per_s_total_max = 60;

struct Maker {
  App app;
  Dice& dice;

  int add_service(std::string name, bool traced) {
    Service s{.name = name, .credential = name + "-key", .traced = traced};
    s.work_ms = dice.between(2, 12), s.spread = dice.between(0.2, 0.5);
    s.noise_fail = traced ? dice.between(0, 0.002) : 0;
    s.pauses_per_s = dice.between(0, 0.01), s.pause_s = dice.between(0.05, 0.2);
    auto instances = traced ? dice.integer(1, 3) : 1;
    auto workers = traced ? dice.integer(60, 160) : 400;
    for (int64_t i = 0; i < instances; ++i)
      s.instances.push_back({.speed = dice.lognormal(1, 0.25),
                             .free_at = std::vector<double>(static_cast<size_t>(workers / instances + 4))});
    app.services.push_back(std::move(s));
    return static_cast<int>(app.services.size()) - 1;
  }
  int add_operation(int service, std::string name) {
    app.operations.push_back({.service = service, .name = std::move(name)});
    return static_cast<int>(app.operations.size()) - 1;
  }
  int add_edge(int from, int to) {
    Edge e{.from = from, .to = to};
    e.timeout_ms = dice.pick<double>({1500, 2000, 3000}), e.retries = dice.chance(0.3) ? 1 : 0;
    app.edges.push_back(e);
    int index = static_cast<int>(app.edges.size()) - 1;
    app.operations[static_cast<size_t>(from)].edges.push_back(index);
    return index;
  }
  std::string service_of(int operation) const {
    return app.services[static_cast<size_t>(app.operations[static_cast<size_t>(operation)].service)].name;
  }
  // Entry operations whose requests pass this edge.
  std::vector<int> entries_over(int edge) const {
    std::vector<int> out;
    for (size_t e = 0; e < app.entries.size(); ++e) {
      std::vector<int> todo = {app.entries[e].operation};
      std::set<int> seen;
      bool found = false;
      while (!todo.empty() && !found) {
        int op = todo.back();
        todo.pop_back();
        if (!seen.insert(op).second) continue;
        for (int i : app.operations[static_cast<size_t>(op)].edges) {
          found |= i == edge;
          todo.push_back(app.edges[static_cast<size_t>(i)].to);
        }
      }
      if (found) out.push_back(static_cast<int>(e));
    }
    return out;
  }
  void expect(Setting& s, const std::string& when, Measure measure, bool improves = true) {
    for (size_t e = 0; e < app.entries.size(); ++e) {
      bool concerned = s.edge < 0;
      if (s.edge >= 0) {
        auto over = entries_over(s.edge);
        concerned = std::find(over.begin(), over.end(), static_cast<int>(e)) != over.end();
      }
      if (!concerned) continue;
      const Operation& op = app.operations[static_cast<size_t>(app.entries[e].operation)];
      s.knob.expect.push_back({.service = app.services[static_cast<size_t>(op.service)].name,
                               .operation = op.name,
                               .measure = measure,
                               .when = when,
                               .improves = improves});
    }
  }
  void add(Setting s) {
    s.knob.key = fmt::format("k{:02}", app.settings.size());
    int index = static_cast<int>(app.settings.size());
    if (s.edge >= 0) app.edges[static_cast<size_t>(s.edge)].settings[static_cast<size_t>(s.role)] = index;
    app.settings.push_back(std::move(s));
  }
  Setting of_edge(Role role, int edge, KnobType type, config::Value base) {
    const Edge& e = app.edges[static_cast<size_t>(edge)];
    Setting s{.role = role, .edge = edge};
    s.knob.type = type, s.knob.base = std::move(base);
    s.knob.services = {service_of(e.from)}, s.knob.dependency = service_of(e.to);
    return s;
  }
  Setting of_service(Role role, int service, KnobType type, config::Value base) {
    Setting s{.role = role, .service = service};
    s.knob.type = type, s.knob.base = std::move(base);
    s.knob.services = {app.services[static_cast<size_t>(service)].name};
    return s;
  }
  static void shared(Setting& s, double min, double max) {
    s.knob.scope = KnobScope::service, s.knob.effect = KnobEffect::shared;
    s.knob.min = min, s.knob.max = max;
  }

  void topology() {
    auto count = dice.integer(4, 7);
    std::vector<int> ops;  // of inner services
    for (int64_t i = 0; i < count; ++i) add_service(fmt::format("s{}", i), true);
    auto peers = dice.integer(2, 3);
    std::vector<int> peer_ops;
    for (int64_t i = 0; i < peers; ++i)
      peer_ops.push_back(add_operation(add_service(fmt::format("db{}", i), false), "q"));
    for (int s = static_cast<int>(count) - 1; s >= 1; --s) {
      int op = add_operation(s, fmt::format("op{}", s));
      if (!ops.empty() && dice.chance(0.5)) add_edge(op, dice.pick(ops));
      if (dice.chance(0.7)) add_edge(op, dice.pick(peer_ops));
      ops.push_back(op);
    }
    auto entries = dice.integer(2, 3);
    for (int64_t i = 0; i < entries; ++i) {
      int op = add_operation(0, fmt::format("GET /{}", static_cast<char>('a' + i)));
      auto fan = dice.integer(1, 2);
      std::set<int> used;
      for (int64_t j = 0; j < fan; ++j)
        if (int to = dice.pick(ops); used.insert(to).second) add_edge(op, to);
      app.entries.push_back({.operation = op, .objective = fmt::format("e{}", i)});
    }
    int login = add_operation(0, "POST /login");
    app.operations[static_cast<size_t>(login)].login_share = 1;
    app.login = static_cast<int>(app.entries.size());
    app.entries.push_back({.operation = login, .objective = "login"});
    double total = dice.between(per_s_total_min, per_s_total_max), left = total * 0.9;
    for (size_t i = 0; i + 1 < app.entries.size(); ++i)
      app.entries[i].per_s = left / static_cast<double>(app.entries.size() - 1) * dice.between(0.8, 1.2);
    app.entries.back().per_s = total * 0.1;
    app.crowd.emplace(static_cast<size_t>(dice.integer(200, 1500)), dice.between(0.3, 1.0));
  }

  void edge_settings(int edge) {
    const Edge e = app.edges[static_cast<size_t>(edge)];
    if (dice.chance(0.6)) {
      Setting s = of_edge(Role::timeout, edge, KnobType::integer, static_cast<int64_t>(e.timeout_ms));
      s.knob.min = 50, s.knob.max = 10'000;
      expect(s, "lowered", Measure::latency);
      add(std::move(s));
    }
    if (dice.chance(0.5)) {
      Setting s = of_edge(Role::retries, edge, KnobType::integer, e.retries);
      s.knob.min = 0, s.knob.max = 5;
      expect(s, "raised", Measure::errors);
      expect(s, "lowered", Measure::load);
      add(std::move(s));
    }
    if (dice.chance(0.55)) {
      Setting s = of_edge(Role::fallback, edge, KnobType::boolean, false);
      expect(s, "enabled", Measure::errors);
      expect(s, "enabled", Measure::latency);
      add(std::move(s));
    }
    if (dice.chance(0.25)) {
      std::string callee = service_of(e.to);
      int other = add_service(callee + "b", false);
      app.edges[static_cast<size_t>(edge)].alternative = add_operation(other, "q");
      app.services[static_cast<size_t>(other)].work_ms = dice.between(8, 20);
      Setting s = of_edge(Role::provider, edge, KnobType::string, std::string("a"));
      s.knob.variants = {std::string("a"), std::string("b")};
      expect(s, "b", Measure::errors);
      expect(s, "b", Measure::latency);
      add(std::move(s));
    }
    if (dice.chance(0.4)) {
      Setting s = of_edge(Role::pool, edge, KnobType::integer, dice.integer(6, 12));
      shared(s, 1, 128);
      expect(s, "raised", Measure::latency);
      expect(s, "raised", Measure::errors);
      add(std::move(s));
    }
    if (dice.chance(0.2)) {
      Setting s = of_edge(Role::cache, edge, KnobType::real, 0.5);
      shared(s, 0, 0.9);
      expect(s, "raised", Measure::latency);
      add(std::move(s));
    }
  }

  void service_settings(int service) {
    if (dice.chance(0.3)) {
      Setting s = of_service(Role::shed_ms, service, KnobType::integer, int64_t{4000});
      shared(s, 20, 8000);
      expect(s, "lowered", Measure::latency);
      expect(s, "lowered", Measure::errors);
      add(std::move(s));
    }
    if (dice.chance(0.35)) {
      Setting s = of_service(Role::frugal, service, KnobType::boolean, false);
      if (dice.chance(0.5)) s.knob.effect = KnobEffect::shared;
      expect(s, "enabled", Measure::latency);
      add(std::move(s));
    }
    if (dice.chance(0.35)) {
      Setting s = of_service(Role::useless, service, KnobType::string, std::string("info"));
      s.knob.variants = {std::string("debug"), std::string("info"), std::string("warn")};
      if (dice.chance(0.3)) expect(s, "warn", Measure::errors);  // somebody believed it
      add(std::move(s));
    }
    if (service == 0 || dice.chance(0.2)) add(of_service(Role::strict, service, KnobType::boolean, false));
    if (dice.chance(0.25)) add(of_service(Role::verbose, service, KnobType::boolean, false));
  }

  void settings() {
    for (size_t e = 0, n = app.edges.size(); e < n; ++e) edge_settings(static_cast<int>(e));
    for (int s = 0; s < static_cast<int>(app.services.size()); ++s)
      if (app.services[static_cast<size_t>(s)].traced) service_settings(s);
    Setting limit = of_service(Role::rate_limit, 0, KnobType::integer, int64_t{60});
    shared(limit, 4, 200);
    expect(limit, "lowered", Measure::load);
    add(std::move(limit));
  }
};

// Everybody gets the base.
struct Bases : Answers {
  explicit Bases(const App& app) : app(app) {}
  config::Value read(int setting, uint64_t, int, Reading&) override {
    return app.settings[static_cast<size_t>(setting)].knob.base;
  }
  const App& app;
};

}  // namespace

void calibrate(App& app, Dice dice) {
  App copy = app;
  Bases bases(app);
  std::vector<std::vector<double>> ms(app.entries.size());
  for (int64_t s = 0; s < 30; ++s)
    for (const auto& r : copy.step(s, dice, bases))
      ms[static_cast<size_t>(r.entry)].push_back((r.end - r.start) * 1000);
  for (size_t e = 0; e < ms.size(); ++e) {
    std::sort(ms[e].begin(), ms[e].end());
    double p95 = ms[e].empty() ? 100 : ms[e][ms[e].size() * 95 / 100];
    app.entries[e].good_ms = std::max(300.0, std::ceil(3 * p95 / 10) * 10);
  }
}

void rename(App& app, uint64_t seed) {
  std::map<std::string, std::string> names;
  auto change = [&](std::string& name) {
    if (name.empty()) return;
    uint64_t word = hash64(name, seed);
    name = names.try_emplace(name, fmt::format("{}{:x}", static_cast<char>('a' + word % 26), word >> 24)).first->second;
  };
  for (auto& s : app.services) change(s.name), change(s.credential);
  for (auto& o : app.operations) change(o.name);
  for (auto& e : app.entries) change(e.objective);
  for (auto& k : app.kpis) change(k.service), change(k.operation);
  for (auto& s : app.settings) {
    change(s.knob.key), change(s.knob.dependency);
    for (auto& service : s.knob.services) change(service);
    for (auto& e : s.knob.expect) change(e.service), change(e.operation);
  }
}

App make_app(Dice& dice) {
  Maker maker{.app = {}, .dice = dice};
  maker.topology();
  maker.settings();
  return std::move(maker.app);
}

}  // namespace hs::sim
