#include "chaos/fault.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.h"

namespace hs::chaos {
namespace {

using json::Json;

constexpr std::array<std::string_view, 8> kind_names = {"latency", "bandwidth", "reset", "hang",
                                                        "down",    "status",    "delay", "abort"};
constexpr std::array<std::string_view, 10> field_names = {"proxy",  "kind",  "latency_ms", "jitter_ms", "bytes_per_s",
                                                          "status", "share", "lease_ms",   "lease",     "service"};
constexpr int64_t bytes_per_s_max = 10'000'000'000;
constexpr size_t name_bytes_max = 200;

tl::unexpected<Error> bad(std::string message) { return fail(Code::invalid_argument, "a fault: " + message); }

Status check_field_names(const Json& object) {
  if (!object.is_object()) return bad("it must be a JSON object");
  for (const auto& [name, value] : object.items()) {
    if (std::find(field_names.begin(), field_names.end(), name) != field_names.end()) continue;
    const std::string_view near = nearest(name, field_names);
    return bad(near.empty() ? fmt::format("unknown field '{}'; known: {}", name, fmt::join(field_names, ", "))
                            : fmt::format("unknown field '{}'; did you mean '{}'?", name, near));
  }
  return {};
}

Status read_integer(const Json& object, std::string_view name, int64_t min, int64_t max, int64_t& out) {
  if (json::find(object, name) == nullptr) return {};
  const auto value = json::integer(object, name);
  if (!value || *value < min || *value > max)
    return bad(fmt::format("{} takes a whole number from {} to {}", name, min, max));
  out = *value;
  return {};
}

Status read_text(const Json& object, std::string_view name, std::string& out) {
  if (json::find(object, name) == nullptr) return {};
  const auto value = json::text(object, name);
  if (!value || value->empty() || value->size() > name_bytes_max)
    return bad(fmt::format("{} takes a text of 1 to {} bytes", name, name_bytes_max));
  out = *value;
  return {};
}

Status read_kind(const Json& object, Kind& out) {
  const auto name = json::text(object, "kind");
  if (!name) return bad(fmt::format("it needs a kind: {}", fmt::join(kind_names, ", ")));
  const auto* found = std::find(kind_names.begin(), kind_names.end(), *name == "jitter" ? "latency" : *name);
  if (found == kind_names.end())
    return bad(fmt::format("unknown kind '{}'; known: {}", printable(*name, 64), fmt::join(kind_names, ", ")));
  out = static_cast<Kind>(found - kind_names.begin());
  return {};
}

Status read_lease(const Json& object, int64_t& out) {
  if (const auto text = json::text(object, "lease")) {
    if (json::find(object, "lease_ms") != nullptr) return bad("it has lease and lease_ms; give one");
    HS_ASSIGN(out, parse_duration_ms(*text));
  } else if (json::find(object, "lease") != nullptr) {
    return bad("lease takes a duration such as \"60s\"");
  }
  HS_TRY(read_integer(object, "lease_ms", 1, lease_max_ms, out));
  if (out < 1 || out > lease_max_ms)
    return bad(fmt::format("its lease must be between 1ms and {}", format_duration_ms(lease_max_ms)));
  return {};
}

Status read_share(const Json& object, double& out) {
  if (json::find(object, "share") == nullptr) return {};
  const auto value = json::number(object, "share");
  if (!value || !(*value >= 0 && *value <= 1)) return bad("share takes a number from 0 to 1");
  out = *value;
  return {};
}

Status check_sense(const Fault& f) {
  const bool waits = f.kind == Kind::latency || f.kind == Kind::delay;
  if (waits && f.latency_ms == 0 && f.jitter_ms == 0) return bad(fmt::format("{} needs latency_ms", name_of(f.kind)));
  if (!waits && (f.latency_ms != 0 || f.jitter_ms != 0))
    return bad(fmt::format("{} has no latency_ms", name_of(f.kind)));
  if (f.kind == Kind::bandwidth && f.bytes_per_s == 0) return bad("bandwidth needs bytes_per_s");
  if (f.kind == Kind::down && f.share != 1) return bad("down has no share: an address refuses everybody or nobody");
  return {};
}

int64_t waiting_ms(const Fault& f, io::Random& random) {
  const double jitter = static_cast<double>(f.jitter_ms) * (2 * random.uniform() - 1);
  return std::max<int64_t>(0, f.latency_ms + static_cast<int64_t>(jitter));
}

}  // namespace

std::string_view name_of(Kind kind) { return kind_names.at(static_cast<size_t>(kind)); }
bool is_http(Kind kind) { return kind == Kind::status || kind == Kind::delay || kind == Kind::abort; }

Result<Fault> parse_fault(const Json& object) {
  HS_TRY(check_field_names(object));
  Fault out;
  HS_TRY(read_text(object, "proxy", out.proxy));
  if (out.proxy.empty()) return bad("it needs a proxy: a name from chaos.proxies");
  HS_TRY(read_kind(object, out.kind));
  HS_TRY(read_integer(object, "latency_ms", 0, latency_max_ms, out.latency_ms));
  HS_TRY(read_integer(object, "jitter_ms", 0, latency_max_ms, out.jitter_ms));
  HS_TRY(read_integer(object, "bytes_per_s", 1, bytes_per_s_max, out.bytes_per_s));
  int64_t status = out.status;
  HS_TRY(read_integer(object, "status", 200, 599, status));
  out.status = static_cast<int>(status);
  HS_TRY(read_share(object, out.share));
  HS_TRY(read_lease(object, out.lease_ms));
  HS_TRY(read_text(object, "service", out.service));
  if (out.service.empty()) out.service = out.proxy;
  HS_TRY(check_sense(out));
  return out;
}

Json to_json(const Fault& f, MonoNanos now) {
  Json out = {
      {"id", f.id}, {"proxy", f.proxy}, {"kind", name_of(f.kind)}, {"share", f.share}, {"lease_ms", f.lease_ms}};
  if (!f.service.empty()) out["service"] = f.service;
  if (f.started != 0) out["started"] = format_rfc3339(f.started);
  if (f.ends != 0) out["left_ms"] = std::max<int64_t>(0, (f.ends - now) / nanos_per_ms);
  if (f.kind == Kind::latency || f.kind == Kind::delay) {
    out["latency_ms"] = f.latency_ms;
    out["jitter_ms"] = f.jitter_ms;
  }
  if (f.kind == Kind::bandwidth) out["bytes_per_s"] = f.bytes_per_s;
  if (f.kind == Kind::status) out["status"] = f.status;
  return out;
}

Status check(const Fault& fault, std::span<const config::Proxy> proxies) {
  std::vector<std::string_view> names;
  for (const config::Proxy& proxy : proxies) {
    names.push_back(proxy.name);
    if (proxy.name != fault.proxy) continue;
    if (is_http(fault.kind) && proxy.protocol != "http")
      return bad(fmt::format("{} needs a proxy with protocol: http, and '{}' has {}", name_of(fault.kind), proxy.name,
                             proxy.protocol));
    return {};
  }
  return fail(Code::not_found,
              fmt::format("no fault proxy '{}'; declared in chaos.proxies: {}", printable(fault.proxy, 64),
                          names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

ConnectionEffect connection_effect(std::span<const Fault> active, double draw, io::Random& random) {
  ConnectionEffect out;
  for (const Fault& f : active) {
    if (draw >= f.share) continue;
    if (f.kind == Kind::down) out.down = true;
    if (f.kind == Kind::reset) out.reset = true;
    if (f.kind == Kind::hang) out.hang = true;
    if (f.kind == Kind::latency) {
      out.late = true;
      out.latency_ms += waiting_ms(f, random);
    }
    if (f.kind == Kind::bandwidth)
      out.bytes_per_s = out.bytes_per_s == 0 ? f.bytes_per_s : std::min(out.bytes_per_s, f.bytes_per_s);
  }
  return out;
}

RequestEffect request_effect(std::span<const Fault> active, io::Random& random) {
  RequestEffect out;
  for (const Fault& f : active) {
    if (!is_http(f.kind) || random.uniform() >= f.share) continue;
    if (f.kind == Kind::delay) out.delay_ms += waiting_ms(f, random);
    if (f.kind == Kind::status) out.status = f.status;
    if (f.kind == Kind::abort) out.abort = true;
  }
  return out;
}

}  // namespace hs::chaos
