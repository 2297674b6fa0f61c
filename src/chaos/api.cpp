#include "chaos/api.h"

namespace hs::chaos {
namespace {

using http::Request;
using http::Response;
using json::Json;

// A fault is a handful of fields.
constexpr size_t body_bytes_max = 16 * 1024;

Response send(int status, const Json& value) { return Response::json(status, json::dump(value)); }

Response list_proxies(const Faults& faults, bool enabled) {
  Json list = Json::array();
  for (const config::Proxy& p : faults.proxies())
    list.push_back({{"name", p.name}, {"listen", p.listen}, {"upstream", p.upstream}, {"protocol", p.protocol}});
  return send(200, {{"enabled", enabled}, {"proxies", std::move(list)}});
}

Response list_faults(const Faults& faults, io::Clock& clock) {
  Json list = Json::array();
  for (const Fault& f : faults.list()) list.push_back(to_json(f, clock.mono()));
  return send(200, {{"faults", std::move(list)}});
}

Response inject(Faults& faults, io::Clock& clock, const Request& request) {
  if (request.body.size() > body_bytes_max)
    return Response::error({Code::too_large, "the description of a fault is larger than 16 KiB", 0});
  const auto object = json::parse(request.body, "the body");
  if (!object) return Response::error(object.error());
  auto fault = parse_fault(*object);
  if (!fault) return Response::error(fault.error());
  const auto id = faults.inject(*fault);
  if (!id) return Response::error(id.error());
  fault->id = *id;
  fault->started = clock.wall();
  return send(201, to_json(*fault, clock.mono()));
}

Response clear_one(Faults& faults, const Request& request) {
  const Status cleared = faults.clear(request.param("id"));
  return cleared ? send(200, {{"cleared", 1}}) : Response::error(cleared.error());
}

}  // namespace

Error disabled() {
  return {Code::permission_denied, "chaos is off; set chaos.enabled: true in the configuration and restart", 0};
}

http::Routes routes(Faults& faults, io::Clock& clock, std::function<bool()> enabled) {
  const auto only_enabled = [enabled](std::function<Response(const Request&)> f) {
    return http::answer([enabled, f = std::move(f)](const Request& request) {
      return enabled() ? f(request) : Response::error(disabled());
    });
  };
  return {
      {"GET", "/v1/chaos/proxies",
       http::answer([&faults, enabled](const Request&) { return list_proxies(faults, enabled()); })},
      {"GET", "/v1/chaos/faults", http::answer([&](const Request&) { return list_faults(faults, clock); })},
      {"POST", "/v1/chaos/faults", only_enabled([&](const Request& r) { return inject(faults, clock, r); })},
      {"DELETE", "/v1/chaos/faults",
       only_enabled([&](const Request&) { return send(200, {{"cleared", faults.clear_all()}}); })},
      {"DELETE", "/v1/chaos/faults/{id}", only_enabled([&](const Request& r) { return clear_one(faults, r); })},
  };
}

}  // namespace hs::chaos
