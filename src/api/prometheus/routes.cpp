#include "api/prometheus/routes.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <utility>

#include "api/prometheus/reader.h"
#include "api/prometheus/write.h"
#include "promql/json.h"

namespace hs::api::prometheus {
namespace {

constexpr int64_t question_timeout_ms = 1'000;  // the shortest that an engine's query gets

struct Path {
  std::string_view methods;  // "G" or "GP"
  std::string_view path;
  Endpoint endpoint;
  bool reads = true;  // the store
};

constexpr std::array<Path, 21> paths = {{{"GP", "query", query},
                                         {"GP", "query_range", query_range},
                                         {"GP", "query_exemplars", query_exemplars},
                                         {"GP", "format_query", format_query, false},
                                         {"GP", "parse_query", parse_query, false},
                                         {"GP", "series", series},
                                         {"GP", "labels", labels},
                                         {"G", "label/{name}/values", label_values},
                                         {"G", "metadata", metadata},
                                         {"G", "rules", rules, false},
                                         {"G", "alerts", alerts, false},
                                         {"G", "alertmanagers", alertmanagers, false},
                                         {"G", "targets", targets, false},
                                         {"G", "targets/metadata", targets_metadata, false},
                                         {"G", "scrape_pools", scrape_pools, false},
                                         {"G", "notifications", empty_list, false},
                                         {"G", "status/buildinfo", build_info, false},
                                         {"G", "status/runtimeinfo", runtime_info, false},
                                         {"G", "status/config", config, false},
                                         {"G", "status/flags", flags, false},
                                         {"G", "status/tsdb", tsdb}}};

// What all requests share.
struct Shared {
  explicit Shared(ReadOutside given) : outside(std::move(given)) {}
  ReadOutside outside;

  // Counts a query of the tenant; false when it has too many.
  bool enter(const std::string& tenant, size_t most) {
    const std::lock_guard lock(mutex);
    size_t& n = queries[tenant];
    if (n >= most) return false;
    ++n;
    return true;
  }
  void leave(const std::string& tenant) {
    const std::lock_guard lock(mutex);
    const auto at = queries.find(tenant);
    if (--at->second == 0) queries.erase(at);
  }

 private:
  std::mutex mutex;
  std::map<std::string, size_t> queries;  // running and waiting, by tenant: as many as the pool takes
};

// Reads what every request has, and calls f(asking).
template <class F>
auto ask(Shared& shared, const http::Request& request, bool reads, MonoNanos arrived, F f)
    -> decltype(f(std::declval<Asking&>())) {
  const ReadOutside& outside = shared.outside;
  auto params = Params::read(request);
  if (!params) return tl::unexpected(params.error());
  auto tenant = ingest::tenant_of(request.headers);
  if (!tenant) return bad_data(tenant.error().message);
  Asking asking{outside, request, std::move(*params), outside.options(), std::move(*tenant)};
  auto timeout = asking.params.duration_ms("timeout", asking.options.timeout_ms);
  if (!timeout) return tl::unexpected(timeout.error());
  const int64_t timeout_ms = std::clamp(*timeout, int64_t{1}, asking.options.timeout_ms);
  asking.deadline = arrived + timeout_ms * nanos_per_ms;
  if (reads && outside.refresh) outside.refresh();
  return f(asking);
}

// Answers on the pool: work(request, arrived, error) makes the response, of an error when there is one.
template <class Work>
http::Handler on_pool(const std::shared_ptr<Shared>& shared, bool reads, Work work) {
  return [shared, reads, work](http::Request received, const http::Done& done) {
    const auto request = std::make_shared<const http::Request>(std::move(received));
    const MonoNanos arrived = shared->outside.clock.mono();
    const auto refuse = [request, done, work](promql::ErrorKind kind, const char* why) {
      const promql::QueryError error{kind, why};
      done(work(*request, 0, &error));
    };
    // A name that is none is told by the endpoint; until then it is a tenant like any other.
    const std::string tenant(request->headers.get("X-Scope-OrgID"));
    if (reads && !shared->enter(tenant, shared->outside.options().tenant_queries))
      return refuse(promql::ErrorKind::timeout,
                    "too many queries of this tenant are running (prometheus.tenant_queries); try again");
    const auto leave = [=] {
      if (reads) shared->leave(tenant);
    };
    const bool taken = shared->outside.pool.submit([=] {
      const promql::QueryError canceled{promql::ErrorKind::canceled, "canceled"};
      http::Response response = work(*request, arrived, request->gone.stop_requested() ? &canceled : nullptr);
      leave();  // first: who has its answer may ask again
      done(std::move(response));
    });
    if (taken) return;
    leave();
    refuse(promql::ErrorKind::timeout, "too many queries are waiting; try again");
  };
}

http::Handler handler(const std::shared_ptr<Shared>& shared, const Path& path) {
  return on_pool(shared, path.reads,
                 [shared, &path](const http::Request& request, MonoNanos arrived, const promql::QueryError* error) {
                   if (error != nullptr) return respond(request, tl::unexpected(*error));
                   return respond(request, ask(*shared, request, path.reads, arrived, path.endpoint));
                 });
}

http::Response refusal(const promql::QueryError& error) {
  http::Response response = http::Response::text(promql::http_status(error.kind), error.message + "\n");
  if (response.status == 503) response.headers.set("Retry-After", "1");
  return response;
}

http::Handler read_handler(const std::shared_ptr<Shared>& shared) {
  return on_pool(shared, true,
                 [shared](const http::Request& request, MonoNanos arrived, const promql::QueryError* error) {
                   promql::QueryResult<http::Response> response =
                       error != nullptr ? tl::unexpected(*error) : ask(*shared, request, true, arrived, remote_read);
                   if (response) return std::move(*response);
                   return refusal(response.error());
                 });
}

http::Response told(bool good, const char* text) { return http::Response::text(good ? 200 : 503, text); }

}  // namespace

promql::InterruptCheck Asking::interrupt() const {
  return [this] {
    if (request.gone.stop_requested()) return promql::Interrupt::canceled;
    return outside.clock.mono() > deadline ? promql::Interrupt::timeout : promql::Interrupt::none;
  };
}

promql::store::StoreSource Asking::source() const {
  const int64_t left_ms = (deadline - outside.clock.mono()) / nanos_per_ms;
  return {outside.client,
          {.tenant = tenant,
           .naming = options.naming,
           .timeout_ms = std::max(left_ms, question_timeout_ms),
           .cancel = request.gone,
           .cache = outside.series,
           .recent = outside.recent,
           .packed = outside.packed}};
}

promql::Features features_of(std::string_view names) {
  promql::Features out;
  for (size_t at = 0; at < names.size();) {
    const size_t end = std::min(names.find(',', at), names.size());
    promql::enable(out, names.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

http::Routes read_routes(ReadOutside given) {
  const auto shared = std::make_shared<Shared>(std::move(given));
  http::Routes out;
  for (const std::string prefix : {"", "/prometheus"}) {
    for (const Path& path : paths) {
      const std::string pattern = prefix + "/api/v1/" + std::string(path.path);
      out.push_back({"GET", pattern, handler(shared, path)});
      if (path.methods == "GP") out.push_back({"POST", pattern, handler(shared, path)});
    }
    out.push_back({"POST", prefix + "/api/v1/read", read_handler(shared)});
    out.push_back({"GET", prefix + "/-/healthy",
                   http::answer([](const http::Request&) { return told(true, "Homeostat is healthy.\n"); })});
    out.push_back({"GET", prefix + "/-/ready", http::answer([shared](const http::Request&) {
                     const bool ready = shared->outside.ready();
                     return told(ready, ready ? "Homeostat is ready.\n" : "The engine is starting.\n");
                   })});
  }
  return out;
}

Answer list_answer(const std::set<std::string>& texts, size_t limit) {
  Answer answer{"["};
  size_t written = 0;
  for (const std::string& text : texts) {
    if (limit > 0 && written == limit) {
      answer.warnings.emplace_back(truncated);
      break;
    }
    if (written++ > 0) answer.data += ',';
    promql::write_json_string(answer.data, text);
  }
  answer.data += ']';
  return answer;
}

}  // namespace hs::api::prometheus
