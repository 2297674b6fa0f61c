#include "sim/app.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"

namespace hs::sim {
namespace {

constexpr double queue_max_s = 8;  // a request that waited longer is dropped
constexpr double login_window_s = 10;
constexpr double strict_share = 0.3, frugal_factor = 0.35, verbose_factor = 15;

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
  Reading reading{.setting = setting};
  config::Value v = context.answers.read(setting, context.request.user, reading);
  for (const auto& r : context.request.readings)
    if (r.setting == setting) return v;  // one flag event per trace and knob is enough
  context.request.readings.push_back(reading);
  return v;
}

int App::setting_of(Role role, int service) const {
  for (size_t i = 0; i < settings.size(); ++i)
    if (settings[i].role == role && settings[i].service == service) return static_cast<int>(i);
  return -1;
}

std::vector<Request> App::step(int64_t second, Dice& dice, Answers& answers) {
  std::vector<std::tuple<double, int, bool>> arrivals;
  for (size_t e = 0; e < entries.size(); ++e) {
    double rate = entries[e].per_s * load;
    for (double at = dice.exponential(1 / rate); at < 1; at += dice.exponential(1 / rate))
      arrivals.emplace_back(static_cast<double>(second) + at, static_cast<int>(e), false);
  }
  if (attack_per_s > 0 && login >= 0)
    for (double at = dice.exponential(1 / attack_per_s); at < 1; at += dice.exponential(1 / attack_per_s))
      arrivals.emplace_back(static_cast<double>(second) + at, login, true);
  std::sort(arrivals.begin(), arrivals.end());
  std::vector<Request> out;
  out.reserve(arrivals.size());
  for (const auto& [at, entry, attack] : arrivals) out.push_back(arrive(entry, at, attack, dice, answers));
  return out;
}

Request App::arrive(int entry, double at, bool attack, Dice& dice, Answers& answers) {
  Request request{.trace = ++trace, .entry = entry, .start = at, .attack = attack};
  request.user = attack ? 1'000'000 + dice.below(40) : crowd->pick(dice) + 1;
  Context context{dice, answers, request};
  Outcome outcome = serve(entries[static_cast<size_t>(entry)].operation, at, context);
  request.end = outcome.end, request.error = !outcome.ok;
  request.denied = outcome.denied, request.limited = outcome.limited;
  return request;
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
  double start = std::max(at, *worker), wait_s = start - at;
  Outcome out;
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
    context.depth++;
    out = work(op, service, instance, start, context);
    context.depth--;
    if (which == 0 && context.dice.chance(service.sick_instance_fail)) out.ok = false;
    *std::min_element(instance.free_at.begin(), instance.free_at.end()) = out.end;
  }
  if (service.traced)
    context.request.spans.push_back({.operation = operation,
                                     .instance = static_cast<int>(which),
                                     .kind = 2,
                                     .end = out.end,
                                     .ms = (out.end - at) * 1000,
                                     .waiting_ms = out.waiting_s * 1000,
                                     .error = !out.ok,
                                     .denied = out.denied,
                                     .limited = out.limited,
                                     .own_error = !out.ok && !out.call_failed});
  return out;
}

App::Outcome App::work(const Operation& op, Service& service, Instance& instance, double start, Context& context) {
  double ms = context.dice.lognormal(service.work_ms * service.work_factor, service.spread) / instance.speed;
  if (int s = setting_of(Role::frugal, op.service); s >= 0 && number(value(s, context)) > 0) ms *= frugal_factor;
  if (int s = setting_of(Role::verbose, op.service); s >= 0 && number(value(s, context)) > 0) ms *= verbose_factor;
  int strict = setting_of(Role::strict, op.service);
  bool refused = strict >= 0 && number(value(strict, context)) > 0 && context.dice.chance(strict_share);
  double at = start + (ms + service.extra_ms) / 1000;
  bool fails = context.dice.chance(service.fail) || refused ||
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
  return {.end = at, .ok = true, .denied = denied, .waiting_s = waiting_s};
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
  Outcome out;
  if ((start - at) * 1000 > edge.pool_wait_ms) {
    out = {.end = at + edge.pool_wait_ms / 1000, .ok = false};
  } else {
    Outcome answer = serve(to, start, context);
    double latest = start + timeout_ms / 1000;
    out = {.end = std::min(answer.end, latest), .ok = answer.ok && !answer.limited && answer.end <= latest};
    edge.free_at[which] = out.end;
  }
  if (services[static_cast<size_t>(operations[static_cast<size_t>(edge.from)].service)].traced)
    context.request.spans.push_back({.operation = edge.from,
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
