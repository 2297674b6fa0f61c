#include "sim/app.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/hash.h"

namespace hs::sim {
namespace {

constexpr double queue_max_s = 8;  // a request that waited longer is dropped
constexpr double login_window_s = 10;
constexpr double strict_share = 0.3, frugal_factor = 0.35, verbose_factor = 15, toll_share = 0.5;
constexpr uint64_t attackers_from = 1'000'000, attackers = 40, poisoned_user = 2'000'000, prober = 2'000'001;
constexpr uint32_t spans_per_attempt = 10'000;

uint64_t fate(uint64_t user, uint64_t what) {
  return hash64({reinterpret_cast<const char*>(&user), sizeof user}, what);
}
bool cursed(uint64_t user, uint64_t what, double share) {
  return share > 0 && static_cast<double>(fate(user, what) >> 11) * 0x1.0p-53 < share;
}

}  // namespace

double number(const config::Value& value) {
  if (const auto* i = std::get_if<int64_t>(&value)) return static_cast<double>(*i);
  if (const auto* d = std::get_if<double>(&value)) return *d;
  if (const auto* b = std::get_if<bool>(&value)) return *b ? 1 : 0;
  return 0;
}

config::Value App::value(int setting, Context& context) {
  Reading reading{.setting = setting, .span = context.parent};
  config::Value v = context.answers.read(setting, context.request.user, context.instance, reading);
  for (const auto& r : context.request.readings)  // one flag event per trace and knob is enough, and variant
    if (r.setting == setting && r.variant == reading.variant && r.revision == reading.revision) return v;
  context.request.readings.push_back(reading);
  return v;
}

int App::reader_of(const Setting& s) const {
  return s.edge < 0 ? s.service : operations[static_cast<size_t>(edges[static_cast<size_t>(s.edge)].from)].service;
}

std::string App::name_of_instance(int service, int instance) const {
  return fmt::format("{}-{}", services[static_cast<size_t>(service)].name, instance);
}

int App::setting_of(Role role, int service) const {
  for (size_t i = 0; i < settings.size(); ++i)
    if (settings[i].role == role && settings[i].service == service) return static_cast<int>(i);
  return -1;
}

void App::heal() {
  load = 1, attack_per_s = 0, poisoned_per_s = 0, user_retries = 0;
  for (auto& s : services) {
    s.extra_ms = 0, s.fail = 0, s.cursed = 0, s.sick_instance_fail = 0;
    for (auto& i : s.instances) i.flaky = 0;
  }
  for (auto& e : edges) e.cache_factor = 1;
}

// A Poisson process.
template <class F>
void App::arrivals(int64_t second, double per_s, Dice& dice, F&& arrival) {
  if (per_s <= 0) return;
  for (double at = dice.exponential(1 / per_s); at < 1; at += dice.exponential(1 / per_s)) {
    Arrival one = arrival();
    one.at = static_cast<double>(second) + at, one.trace = ++trace;
    push(one);
  }
}

void App::push(const Arrival& arrival) {
  queue_.push_back(arrival);
  std::push_heap(queue_.begin(), queue_.end(), std::greater<>());
}

// One instance stands still for a moment.
void App::pause(int64_t second, Dice& dice) {
  for (auto& s : services) {
    if (s.pauses_per_s <= 0 || !dice.chance(s.pauses_per_s)) continue;
    Instance& one = s.instances[dice.below(s.instances.size())];
    one.stops_at = static_cast<double>(second) + dice.uniform(), one.goes_on_at = one.stops_at + s.pause_s;
  }
}

std::vector<Request> App::step(int64_t second, Dice& dice, Answers& answers) {
  pause(second, dice);
  for (size_t e = 0; e < entries.size(); ++e)
    arrivals(second, entries[e].per_s * load, dice,
             [&] { return Arrival{.entry = static_cast<int>(e), .user = crowd->pick(dice) + 1}; });
  arrivals(second, login >= 0 ? attack_per_s : 0, dice,
           [&] { return Arrival{.entry = login, .user = attackers_from + dice.below(attackers), .attack = true}; });
  arrivals(second, poisoned_per_s, dice, [&] { return Arrival{.user = poisoned_user, .poisoned = true}; });
  std::vector<Request> out;
  while (!queue_.empty() && queue_.front().at < static_cast<double>(second + 1)) {
    std::pop_heap(queue_.begin(), queue_.end(), std::greater<>());
    Arrival arrival = queue_.back();
    queue_.pop_back();
    out.push_back(arrive(arrival, dice, answers));
    again(arrival, out.back(), dice);
  }
  return out;
}

// People press the button again. Some clients keep the trace, others begin a new one.
void App::again(const Arrival& arrival, const Request& request, Dice& dice) {
  if (arrival.attack || good(request) || arrival.attempt >= user_retries) return;
  Arrival next = arrival;
  next.at = request.end + dice.between(0.1, 0.8), next.attempt++;
  if (dice.chance(0.5)) next.trace = ++trace;
  push(next);
}

Request App::arrive(const Arrival& a, Dice& dice, Answers& answers) {
  Request request{.trace = a.trace, .user = a.user, .entry = a.entry, .start = a.at};
  request.attack = a.attack, request.poisoned = a.poisoned;
  request.last_span = static_cast<uint32_t>(a.attempt) * spans_per_attempt;
  Context context{dice, answers, request};
  Outcome outcome = serve(entries[static_cast<size_t>(a.entry)].operation, a.at, context);
  request.end = outcome.end, request.error = !outcome.ok;
  request.denied = outcome.denied, request.limited = outcome.limited;
  return request;
}

Request App::probe(double at, Dice& dice, Answers& answers) {
  return arrive({.at = at, .user = prober, .trace = ++trace}, dice, answers);
}

// Everybody reads it at the door; who pays is one entry.
bool App::pays_toll(const Operation& op, Context& context) {
  const int setting = setting_of(Role::toll, op.service);
  if (setting < 0 || toll.entry < 0) return false;
  const bool on = number(value(setting, context)) > 0;
  const bool theirs = &op == &operations[static_cast<size_t>(entries[static_cast<size_t>(toll.entry)].operation)];
  return on && theirs && context.dice.chance(toll_share);
}

bool App::over_limit(int setting, double at, Context& context) {
  double limit = number(value(setting, context));
  std::erase_if(recent_logins_, [&](const auto& l) { return l.second < at - login_window_s; });
  auto mine = [&](const auto& l) { return l.first == context.request.user; };
  auto count = std::count_if(recent_logins_.begin(), recent_logins_.end(), mine);
  recent_logins_.emplace_back(context.request.user, at);
  return static_cast<double>(count) >= limit;
}

App::Outcome App::serve(int operation, double at, Context& context) {
  const Operation& op = operations[static_cast<size_t>(operation)];
  Service& service = services[static_cast<size_t>(op.service)];
  size_t which = context.dice.below(service.instances.size());
  Instance& instance = service.instances[which];
  auto worker = std::min_element(instance.free_at.begin(), instance.free_at.end());
  double start = std::max(at, *worker);
  if (start >= instance.stops_at && start < instance.goes_on_at) start = instance.goes_on_at;
  double wait_s = start - at;
  Outcome out;
  const uint32_t parent = context.parent, id = service.traced ? ++context.request.last_span : parent;
  const int caller = context.instance;
  context.parent = id, context.instance = static_cast<int>(which);
  int shed = setting_of(Role::shed_ms, op.service),
      limit = op.login_share > 0 ? setting_of(Role::rate_limit, op.service) : -1;
  double shed_ms = shed < 0 ? 0 : number(value(shed, context));
  if (limit >= 0 && over_limit(limit, at, context)) {
    out = {.end = at + 0.001, .ok = true, .denied = false, .limited = true};
  } else if (shed_ms > 0 && wait_s * 1000 > shed_ms) {
    out = {.end = at + 0.001, .ok = true, .denied = false, .limited = true};
  } else if (wait_s > queue_max_s) {
    out = {.end = at + queue_max_s, .ok = false};
  } else {
    out = work(op, service, instance, start, context);
    if (which == 0 && context.dice.chance(service.sick_instance_fail)) out.ok = false;
    if (instance.flaky > 0 && context.dice.chance(instance.flaky)) out.ok = false;
    *std::min_element(instance.free_at.begin(), instance.free_at.end()) = out.end;
  }
  context.parent = parent, context.instance = caller;
  if (service.traced)
    context.request.spans.push_back({.id = id,
                                     .parent = parent,
                                     .operation = operation,
                                     .instance = static_cast<int>(which),
                                     .kind = 2,
                                     .end = out.end,
                                     .ms = (out.end - at) * 1000,
                                     .waiting_ms = out.waiting_s * 1000,
                                     .error = !out.ok,
                                     .denied = out.denied,
                                     .limited = out.limited,
                                     .own_error = !out.ok && !out.call_failed,
                                     .placed = out.ok && out.placed});
  return out;
}

App::Outcome App::work(const Operation& op, Service& service, Instance& instance, double start, Context& context) {
  double ms = context.dice.lognormal(service.work_ms, service.spread) / instance.speed;
  if (int s = setting_of(Role::frugal, op.service); s >= 0 && number(value(s, context)) > 0) ms *= frugal_factor;
  if (int s = setting_of(Role::verbose, op.service); s >= 0 && number(value(s, context)) > 0) ms *= verbose_factor;
  for (size_t i = 0; i < settings.size(); ++i)
    if (settings[i].role == Role::useless && settings[i].service == op.service) value(static_cast<int>(i), context);
  int strict = setting_of(Role::strict, op.service);
  bool refused = strict >= 0 && number(value(strict, context)) > 0 && context.dice.chance(strict_share);
  const bool pays = pays_toll(op, context);
  double at = start + (ms + service.extra_ms) / 1000;
  bool fails = context.dice.chance(service.fail) || context.dice.chance(service.noise_fail) || refused ||
               (pays && !toll.silent) ||
               (context.request.poisoned && &op == &operations[static_cast<size_t>(entries[0].operation)]) ||
               cursed(context.request.user, static_cast<uint64_t>(op.service) + 7, service.cursed);
  if (fails) return {.end = at, .ok = false};
  double waiting_s = 0;
  for (int edge : op.edges) {
    Outcome called = call(edge, at, context);
    waiting_s += called.end - at;
    at = called.end;
    if (!called.ok) return {.end = at, .ok = false, .call_failed = true, .waiting_s = waiting_s};
  }
  bool denied = op.login_share > 0 && context.dice.chance(context.request.attack ? 0.98 : 0.03);
  return {.end = at, .ok = true, .denied = denied, .placed = !denied && !pays, .waiting_s = waiting_s};
}

App::Outcome App::call(int index, double at, Context& context) {
  Edge& edge = edges[static_cast<size_t>(index)];
  auto read = [&](Role role) { return edge.settings[static_cast<size_t>(role)]; };
  if (int s = read(Role::fallback); s >= 0 && number(value(s, context)) > 0) return {.end = at + 0.001};
  double hit = edge.cache_hit, timeout_ms = edge.timeout_ms;
  auto retries = edge.retries, pool = edge.pool;
  if (int s = read(Role::cache); s >= 0) hit = number(value(s, context));
  if (hit > 0 && context.dice.chance(hit * edge.cache_factor)) return {.end = at + 0.001};
  if (int s = read(Role::timeout); s >= 0) timeout_ms = number(value(s, context));
  if (int s = read(Role::retries); s >= 0) retries = static_cast<int64_t>(number(value(s, context)));
  if (int s = read(Role::pool); s >= 0) pool = static_cast<int64_t>(number(value(s, context)));
  int to = edge.to;
  if (int s = read(Role::provider); s >= 0 && edge.alternative >= 0 && value(s, context) == config::Value("b"))
    to = edge.alternative;
  if (edge.free_at.size() != static_cast<size_t>(pool)) {
    std::sort(edge.free_at.begin(), edge.free_at.end());
    edge.free_at.resize(static_cast<size_t>(std::max<int64_t>(1, pool)), 0.0);
  }
  Outcome out{.end = at, .ok = false};
  for (int64_t i = 0; i <= retries && !out.ok; ++i) out = attempt(edge, to, out.end, timeout_ms, context);
  return out;
}

App::Outcome App::attempt(Edge& edge, int to, double at, double timeout_ms, Context& context) {
  auto connection = std::min_element(edge.free_at.begin(), edge.free_at.end());
  size_t which = static_cast<size_t>(connection - edge.free_at.begin());
  double start = std::max(at, *connection);
  const uint32_t parent = context.parent, id = ++context.request.last_span;
  context.parent = id;
  Outcome out;
  if ((start - at) * 1000 > edge.pool_wait_ms) {
    out = {.end = at + edge.pool_wait_ms / 1000, .ok = false};
  } else {
    Outcome answer = serve(to, start, context);
    double latest = start + timeout_ms / 1000;
    out = {.end = std::min(answer.end, latest), .ok = answer.ok && !answer.limited && answer.end <= latest};
    edge.free_at[which] = out.end;
  }
  context.parent = parent;
  if (services[static_cast<size_t>(operations[static_cast<size_t>(edge.from)].service)].traced)
    context.request.spans.push_back({.id = id,
                                     .parent = parent,
                                     .operation = edge.from,
                                     .instance = context.instance,
                                     .kind = 3,
                                     .callee = to,
                                     .end = out.end,
                                     .ms = (out.end - at) * 1000,
                                     .error = !out.ok});
  return out;
}

bool App::good(const Request& r) const {
  double ms = (r.end - r.start) * 1000;
  return !r.error && !r.limited && ms <= entries[static_cast<size_t>(r.entry)].good_ms;
}

config::Declarations App::declarations() const {
  config::Declarations d;
  d.kpis = kpis;
  for (const auto& s : settings) d.knobs.push_back(s.knob);
  for (const auto& e : entries) {
    const Operation& op = operations[static_cast<size_t>(e.operation)];
    const std::string& service = services[static_cast<size_t>(op.service)].name;
    d.objectives.push_back({.name = e.objective + " ok", .service = service, .operation = op.name, .target = 0.985});
    d.objectives.push_back({.name = e.objective + " fast",
                            .service = service,
                            .operation = op.name,
                            .kind = config::ObjectiveKind::latency,
                            .target = 0.95,
                            .threshold_ms = static_cast<int64_t>(e.good_ms)});
  }
  return d;
}

}  // namespace hs::sim
