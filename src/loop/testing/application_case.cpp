// Batches out of spans, and faults with their right answers.

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "loop/testing/application.h"

namespace hs::loop::testing {

model::Batch Application::to_batch(int service, int instance, const std::vector<Spanned>& spans) {
  model::Batch b;
  const Service& s = services_[static_cast<size_t>(service)];
  model::Resource r;
  r.service = b.arena.copy(s.name);
  r.instance = b.arena.copy(fmt::format("{}-{}", s.name, instance));
  r.attributes.push_back({"service.version", b.arena.copy(s.version), model::ValueType::string});
  b.resources.push_back(r);
  model::Spans& x = b.spans;
  const auto put = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) x.attributes.push({key, b.arena.copy(value), model::ValueType::string});
  };
  for (const Spanned& span : spans) {
    x.resource.push_back(0);
    x.scope.push_back(0);
    x.trace_id.push_back(span.trace);
    x.span_id.push_back(span.id);
    x.parent_id.push_back(span.parent);
    x.start.push_back(epoch_s * nanos_per_s + static_cast<int64_t>(span.start_ms * 1e6));
    x.duration_ns.push_back(static_cast<uint64_t>((span.end_ms - span.start_ms) * 1e6));
    x.name.push_back(b.arena.copy(span.name));
    x.status_message.push_back("");
    x.trace_state.push_back("");
    x.kind.push_back(span.kind);
    x.status.push_back(span.status);
    x.flags.push_back(0);
    put("db.system", span.system);
    put("server.address", span.address);
    put("client.address", span.subject);
    if (span.http != 0) put("http.response.status_code", std::to_string(span.http));
    x.attributes.end_row();
    x.events.ends.push_back(0);
  }
  return b;
}

// A service that enough requests pass, at random.
int Application::busy_service(bool inner, bool with_peer, bool with_instances) {
  for (int tries = 0; tries < 200; ++tries) {
    const int i = (inner ? 1 : 0) + dice_.below(options_.services - (inner ? 1 : 0));
    const Service& s = services_[static_cast<size_t>(i)];
    if (visits_[static_cast<size_t>(i)] < 0.4 || (with_instances && s.instances < 2)) continue;
    const auto has_peer = [](const Operation& o) {
      return std::any_of(o.steps.begin(), o.steps.end(), [](const Step& st) { return st.peer > 0; });
    };
    if (with_peer && !std::all_of(s.operations.begin(), s.operations.end(), has_peer)) continue;
    return i;
  }
  return -1;
}

// One operation of several that are all asked enough to be told apart.
bool Application::draw_operation(Case& c) {
  constexpr double busy = 0.12;
  std::vector<std::pair<int, int>> found;
  for (size_t i = 0; i < services_.size(); ++i) {
    const std::vector<double>& visits = operation_visits_[i];
    if (std::count_if(visits.begin(), visits.end(), [](double v) { return v >= busy; }) < 2) continue;
    for (size_t o = 0; o < visits.size(); ++o)
      if (visits[o] >= busy) found.emplace_back(static_cast<int>(i), static_cast<int>(o));
  }
  if (found.empty()) return false;
  std::tie(c.fault.service, c.fault.operation) =
      found[static_cast<size_t>(dice_.below(static_cast<int>(found.size())))];
  const Service& service = services_[static_cast<size_t>(c.fault.service)];
  c.truth = {
      fmt::format("operation:{}/{}", service.name, service.operations[static_cast<size_t>(c.fault.operation)].name)};
  return true;
}

Application::Case Application::draw(Disturbance kind, double from_s) {
  Case c;
  c.fault.kind = kind;
  c.fault.from_s = from_s;
  if (kind == Disturbance::operation_errors || kind == Disturbance::operation_slow) {
    c.visible = draw_operation(c);
    return c;
  }
  const bool instances =
      kind == Disturbance::instance_errors || kind == Disturbance::instance_slow || kind == Disturbance::instance_hangs;
  const bool inner = kind == Disturbance::service_hangs || kind == Disturbance::service_down ||
                     kind == Disturbance::retry_storm || kind == Disturbance::overload ||
                     kind == Disturbance::edge_slow || kind == Disturbance::instance_hangs;
  const int s =
      kind == Disturbance::attack ? login_ : busy_service(inner, kind == Disturbance::pool_exhausted, instances);
  c.visible = s >= 0;
  if (s < 0) return c;
  const Service& service = services_[static_cast<size_t>(s)];
  c.fault.service = s;
  c.truth = {"service:" + service.name};
  const auto step_to = [&](bool cached) {  // (service, operation, step) with a peer, busy enough
    std::vector<std::pair<int, int>> found;
    for (size_t i = 0; i < services_.size(); ++i)
      for (const Operation& o : services_[i].operations)
        for (const Step& st : o.steps)
          if (st.peer >= 0 && st.cached == cached &&
              visits_[i] / static_cast<double>(services_[i].operations.size()) >= 0.25)
            found.emplace_back(static_cast<int>(i), st.peer);
    return found;
  };
  if (instances) {
    c.fault.instance = dice_.below(service.instances);
    c.truth = {fmt::format("instance:{}/{}-{}", service.name, service.name, c.fault.instance)};
  }
  if (kind == Disturbance::bad_deploy) {
    c.truth = {"change:deploy " + service.name};
    c.fault.strength = dice_.chance(0.5) ? 1 : 0.5;
  }
  if (kind == Disturbance::peer_slow || kind == Disturbance::peer_errors) {
    const auto found = step_to(false);
    c.visible = !found.empty();
    if (!c.visible) return c;
    c.fault.peer = found[static_cast<size_t>(dice_.below(static_cast<int>(found.size())))].second;
    c.fault.service = -1;
    c.truth = {"peer:" + peers_[static_cast<size_t>(c.fault.peer)].name};
  }
  if (kind == Disturbance::cache_lost) {
    const auto found = step_to(true);
    c.visible = !found.empty();
    if (!c.visible) return c;
    c.fault.service = found[static_cast<size_t>(dice_.below(static_cast<int>(found.size())))].first;
    c.truth = {"service:" + services_[static_cast<size_t>(c.fault.service)].name,
               fmt::format("edge:{}->redis", services_[static_cast<size_t>(c.fault.service)].name), "peer:redis"};
  }
  if (kind == Disturbance::edge_slow) {
    std::vector<std::pair<int, int>> found;
    for (size_t i = 0; i < services_.size(); ++i)
      for (const Operation& o : services_[i].operations)
        for (const Step& st : o.steps)
          if (st.service >= 0 &&
              st.probability * visits_[i] / static_cast<double>(services_[i].operations.size()) >= 0.3)
            found.emplace_back(static_cast<int>(i), st.service);
    c.visible = !found.empty();
    if (!c.visible) return c;
    std::tie(c.fault.service, c.fault.peer) = found[static_cast<size_t>(dice_.below(static_cast<int>(found.size())))];
    c.truth = {fmt::format("edge:{}->{}", services_[static_cast<size_t>(c.fault.service)].name,
                           services_[static_cast<size_t>(c.fault.peer)].name)};
  }
  if (kind == Disturbance::overload) {
    c.fault.service = 0;
    c.truth.clear();  // it comes through every entry
    for (const auto& [entry, operation] : entries_)
      c.truth.push_back("load:" + services_[static_cast<size_t>(entry)].name);
  }
  if (kind == Disturbance::attack) c.truth = {"attack:" + service.name};
  return c;
}

}  // namespace hs::loop::testing
