#include "app/server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "api/console/console.h"
#include "api/otlp/receiver.h"
#include "api/prometheus/own_samples.h"
#include "api/prometheus/routes.h"
#include "api/prometheus/write.h"
#include "api/telemetry/cardinality.h"
#include "api/telemetry/telemetry.h"
#include "app/limits_policy.h"
#include "app/sampling_policy.h"
#include "app/stopping.h"
#include "app/values_process.h"
#include "app/version.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/metrics_page.h"
#include "chaos/api.h"
#include "net/router.h"
#include "security/guard.h"

namespace hs::app {
namespace {

constexpr int64_t values_watch_ms = 1'000;    // code defaults are in force while nobody serves values
constexpr int64_t values_probe_ms = 1'000;    // it answers from memory on this machine
constexpr int values_misses_max = 3;          // in a row: one alone may be a busy machine
constexpr int64_t flush_timeout_ms = 60'000;  // a full journal on a busy disk

constexpr int query_threads = 4;            // the engine runs as many at once on a small machine
constexpr size_t queries_waiting_max = 64;  // beyond it: 503 and Retry-After

store::RetentionPolicy retention_policy(const config::Settings& settings) {
  return {.max_age_ms = settings.ms("retention.max_age"),
          .traces_max_age_ms = settings.ms("retention.traces.max_age"),
          .logs_max_age_ms = settings.ms("retention.logs.max_age"),
          .metrics_max_age_ms = settings.ms("retention.metrics.max_age"),
          .max_bytes = static_cast<uint64_t>(settings.bytes("retention.max_bytes"))};
}

metrics::Counter values_replaced("homeostat_values_replaced_total", "values processes that ran and did not answer");

}  // namespace

Server::Server(const Common& common, std::shared_ptr<const config::Snapshot> config)
    : common_(common), config_(std::move(config)) {}

Result<std::unique_ptr<Server>> Server::start(const Common& common, std::shared_ptr<const config::Snapshot> config) {
  std::unique_ptr<Server> server(new Server(common, std::move(config)));
  HS_TRY(server->open_data());
  HS_TRY(server->open_access());
  HS_TRY(server->open_values());
  HS_TRY(server->open_loop());
  HS_TRY(server->open_storage());
  HS_TRY(server->open_rules());
  HS_TRY(server->open_chaos());
  HS_TRY(server->open_scraper());
  HS_TRY(server->open_listeners());
  return server;
}

// Order matters: those who call are stopped before those who are called.
Server::~Server() {
  const pid_t engine = storage_ ? storage_->state().pid : 0;
  Stopping stopping(clock_, [engine] {
    if (engine > 0) kill(engine, SIGKILL);  // it would see our end, unless somebody has stopped it
  });
  values_keeper_.request_stop();
  if (freshness_) freshness_->stop();
  stopping.step("requests in flight", [this] { listeners_.stop(Stopping::requests_ms); });
  stopping.step("log files and syslog", [this] { log_sources_.reset(); });
  stopping.step("the keeper of values", [this] { values_keeper_ = {}; });
  stopping.step("scrapes", [this] { scraper_.reset(); });
  stopping.step("fault proxies", [this] { proxies_.reset(); });
  stopping.step("an experiment's rollbacks", [this] { experiments_.reset(); });
  stopping.step("queries", [this] { query_pool_.reset(); });
  stopping.step("own series", [this] {
    if (own_series_) own_series_->stop();  // it reads what the collectors of the others tell
  });
  stopping.step("rules and notifications", [this] {
    if (loop_) loop_->alerts_from({});
    ruler_.reset();
  });
  stopping.step("retention", [this] { retention_.reset(); });
  freshness_.reset();
  stopping.step("the journal and the engine", [this] { storage_.reset(); });
  stopping.step("the loop", [this] { loop_.reset(); });
  stopping.step("probes", [this] { observer_.reset(); });
}

Status Server::open_data() {
  HS_TRY(io::make_directories(data()));
  auto lock = io::FileLock::try_take(data() + "/serve.lock");
  if (!lock)
    return fail(Code::conflict,
                fmt::format("another `homeostat serve` uses {}; stop it or choose another --data", data()));
  lock_ = std::make_unique<io::FileLock>(std::move(*lock));
  return lock_->write(fmt::format("{}", getpid()));
}

Status Server::open_access() {
  HS_ASSIGN(const std::string token, security::ensure_token(data() + "/token", random_));
  operators_->add("operator", token);
  return senders_->replace(settings().list("security.ingest_tokens"));
}

Status Server::open_values() {
  const std::string address = settings().text("listen.values");
  if (!address.empty()) {
    HS_TRY(ensure_values(common_, data(), address));
    reload_values(data());  // one that a former `serve` has started knows its credentials
    values_keeper_ = std::jthread([this](const std::stop_token& stop) { keep_values(stop); });
  }
  observer_ = std::make_unique<Observer>(http_, clock_, address);
  observer_->declare(config_.load()->declarations.probes);
  return {};
}

void Server::keep_values(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  int misses = 0;
  while (
      !wake.wait_for(lock, stop, std::chrono::milliseconds(values_watch_ms), [&] { return stop.stop_requested(); })) {
    Status ok = ensure_values(common_, data(), settings().text("listen.values"), stop);
    misses = ok && values_answers(stop) ? 0 : misses + 1;
    if (misses >= values_misses_max) {
      misses = 0;
      values_replaced.add();
      (void)end_stuck_values(data());
      ok = ensure_values(common_, data(), settings().text("listen.values"), stop);
    }
    if (!ok && !stop.stop_requested()) log::warn("values does not run", {{"why", ok.error().message}});
  }
}

// A process that holds its lock may still be stopped or stuck; its clients would wait for it in vain.
bool Server::values_answers(const std::stop_token& stop) {
  const auto endpoint = io::parse_endpoint(settings().text("listen.values"));
  if (!endpoint) return false;
  const auto answer = http_.request(*endpoint, {.target = "/healthz"}, {.timeout_ms = values_probe_ms, .cancel = stop});
  return answer.has_value() || stop.stop_requested();
}

Status Server::open_storage() {
  const auto tee = [this](const std::shared_ptr<const model::Batch>& batch, const ingest::Incoming& incoming) {
    // The loop watches the application that Homeostat is for: what other tenants send is stored for them alone.
    if (!incoming.tenant.empty() || api::prometheus::is_derived(incoming.credential)) return;
    loop_->add(*batch, incoming.received_at, incoming.credential);
    own_series_->add(*batch, incoming.received_at);
  };
  own_series_ =
      std::make_unique<OwnSeries>(OwnSeries::Options{.own_every_ms = settings().ms("metrics.own_interval"),
                                                     .spans_every_ms = settings().ms("metrics.spans_interval"),
                                                     .instance = settings().text("listen.http")},
                                  clock_);
  gate_ = std::make_unique<limits::Gate>(clock_, limits_policy(*config_.load()), api::prometheus::is_derived);
  HS_ASSIGN(sampling::Policy sampling, sampling_policy(settings()));
  sampler_ = std::make_unique<sampling::TailSampler>(std::move(sampling), random_.next());
  HS_ASSIGN(storage_, Storage::open(common_, settings(), http_, clock_, random_, *gate_, *sampler_, tee));
  freshness_ = std::make_unique<Freshness>(storage_->ingest(), clock_);
  query_pool_ = std::make_unique<WorkerPool>(query_threads, queries_waiting_max);
  retention_ = std::make_unique<store::RetentionKeeper>(storage_->client(), clock_, retention_policy(settings()));
  open_own_series();
  return {};
}

void Server::open_own_series() {
  metrics::add_collector([this](std::vector<metrics::Sample>& out) {
    const ingest::Health in = storage_->ingest().health();
    out.push_back({"homeostat_ingest_lag_seconds",
                   "Age of the oldest acknowledged request that the engine does not have", "gauge", "",
                   static_cast<double>(in.oldest_waiting_ms) / 1e3});
    out.push_back({"homeostat_ingest_in_flight_requests", "Requests that wait for the journal", "gauge", "",
                   static_cast<double>(in.in_flight_requests)});
    out.push_back({"homeostat_tail_sampling_buffer_bytes", "Memory of the spans that wait for a decision", "gauge", "",
                   static_cast<double>(in.held_bytes)});
    out.push_back({"homeostat_tail_sampling_buffer_spans", "Spans that wait for a decision", "gauge", "",
                   static_cast<double>(in.held_rows)});
    out.push_back({"homeostat_ingest_in_flight_bytes", "Memory of the requests that wait for the journal", "gauge", "",
                   static_cast<double>(in.in_flight_bytes)});
  });
  metrics::add_collector([this](std::vector<metrics::Sample>& out) { gate_->collect(out); });
  own_samples_ = std::make_unique<api::prometheus::OwnSamples>(
      api::prometheus::WriteOptions{.body_bytes_max = body_bytes_max(), .any_time = {}, .gate = gate()}, clock_,
      sink());
  own_series_->start(*own_samples_);
}

// Faults reach the KPIs through their markers, and nothing that detects or explains.
Status Server::open_chaos() {
  faults_.on_marker([this](const chaos::Marker& m) {
    loop_->injected({.id = m.id, .service = m.service, .kind = m.kind, .started = m.started, .ended = m.ended});
  });
  experiments_ =
      std::make_unique<chaos::Experiments>(http_, clock_, faults_, [this] { return settings().list("chaos.hosts"); });
  if (!settings().flag("chaos.enabled")) return {};
  const auto proxies = config_.load()->declarations.proxies;
  for (const config::Proxy& proxy :
       proxies)  // its callers present no credential of ours: only the explicit word counts
    HS_TRY(security::check_bind("chaos.proxies." + proxy.name, proxy.listen, false,
                                settings().flag("security.insecure_bind")));
  faults_.declare(proxies);
  HS_ASSIGN(proxies_, net::FaultProxies::start(proxies, faults_, random_));
  return {};
}

Status Server::open_listeners() {
  using enum security::Access;
  // The OTLP listener does nothing but take telemetry; what it does not know it answers with 404, to senders too.
  const std::vector<security::Rule> otlp = {{"", "/", sender}};
  const std::vector<security::Rule> others = {{"GET", "/", open, true},
                                              {"", "/healthz", open},
                                              {"", "/readyz", open},
                                              {"", "/-", open},
                                              {"", "/prometheus/-", open},
                                              {"", "/api/v1", read},
                                              {"", "/prometheus/api/v1", read},
                                              {"POST", "/api/v1/write", sender},
                                              {"POST", "/prometheus/api/v1/write", sender}};
  const size_t all_bodies = MemoryShares(settings()).bodies;
  const net::HttpServerOptions options{.body_bytes_max = body_bytes_max(), .all_bodies_bytes_max = all_bodies};
  const net::GrpcServerOptions grpc{.message_bytes_max = body_bytes_max(),
                                    .all_messages_bytes_max = all_bodies,
                                    .transport_bytes_max = 2 * body_bytes_max()};  // a message comes in pieces
  HS_TRY(listeners_.open_tls(settings()));
  HS_TRY(listeners_.grpc(settings(), "listen.otlp_grpc", grpc,
                         api::otlp::grpc_receiver(receiver_options(), clock_, sink())));
  HS_TRY(listeners_.http(
      settings(), "listen.otlp_http", options,
      api::otlp::with_status_errors(listeners_.guarded(settings(), "listen.otlp_http", otlp, otlp_http()))));
  HS_ASSIGN(log_sources_, LogSources::start(settings(), receiver_options(), clock_, sink(), certificates_));
  // The last one: /readyz tells that the others take telemetry.
  return listeners_.http(settings(), "listen.http", options,
                         listeners_.guarded(settings(), "listen.http", others, net::Router(routes())));
}

api::otlp::Sink Server::sink() {
  return [this](ingest::Incoming incoming, model::Batch batch, std::function<void(Status)> done) {
    storage_->ingest().append(std::move(incoming), std::move(batch), std::move(done));
  };
}

ingest::Gate Server::gate() {
  const auto enter = [this](ingest::Incoming& incoming) -> Status {
    // Decoding what would be refused costs more than anything else.
    Status room = storage_->ingest().has_room(incoming);
    if (!room) gate_->count_refusal(incoming.tenant, "memory");
    return room ? gate_->enter(incoming) : room;
  };
  return {.enter = enter,
          .settle = [this](ingest::Incoming& incoming, model::Batch& batch) { gate_->settle(incoming, batch); }};
}

api::otlp::ReceiverOptions Server::receiver_options() {
  return {.body_bytes_max = body_bytes_max(),
          .parse_text = [this] { return settings().flag("logs.parse"); },
          .gate = gate()};
}

http::Handler Server::otlp_http() { return api::otlp::http_receiver(receiver_options(), clock_, sink()); }

http::Routes Server::routes() {
  const auto get = [](std::string path, auto f) {
    return http::Route{"GET", std::move(path), http::answer(std::move(f))};
  };
  http::Routes all = {
      get("/healthz", [](const http::Request&) { return http::Response::text(200, "ok\n"); }),
      get("/readyz", [this](const http::Request&) { return readyz(); }),
      get("/metrics", [](const http::Request&) { return metrics::page(); }),
      {"POST", "/v1/flush", [this](const http::Request&, const http::Done& done) { flush(done); }},
  };
  const auto add = [&](http::Routes more) { std::move(more.begin(), more.end(), std::back_inserter(all)); };
  add(api::loop::routes({.snapshot = [this] { return snapshot_.load(); },
                         .order = [this](const auto& order, const auto& done) { this->order(order, done); },
                         .ledger = ledger_.get(),
                         .ledger_problem = ledger_problem_}));
  add(api::telemetry::routes(
      [this](const store::Query& query, size_t rows_max) { return storage_->collect(query, rows_max); },
      [this](const std::string& tenant) { return storage_->ingest().held(tenant); }, clock_, *query_pool_));
  all.push_back(api::telemetry::cardinality_route(
      [this](std::string_view tenant, const limits::CensusAsk& ask) { return gate_->census(tenant, ask); }));
  add(api::console::routes());
  add(prometheus());
  add(chaos::routes(*experiments_, [this] { return settings().flag("chaos.enabled"); }));
  add(chaos::routes(faults_, clock_, [this] { return settings().flag("chaos.enabled"); }));
  return all;
}

api::prometheus::WriteOptions Server::write_options() {
  const auto any_time = [this] {
    const store::RetentionPolicy policy = retention_policy(settings());
    return policy.max_age_ms == 0 && policy.metrics_max_age_ms == 0;
  };
  return {.body_bytes_max = body_bytes_max(), .any_time = any_time, .gate = gate()};
}

http::Routes Server::prometheus() {
  const http::Handler write = api::prometheus::write_receiver(write_options(), clock_, sink());
  http::Routes all =
      api::prometheus::read_routes({.client = storage_->client(),
                                    .clock = clock_,
                                    .pool = *query_pool_,
                                    .options = [this] { return prometheus_options(); },
                                    .refresh = [this] { freshness_->wait(); },
                                    .series = storage_->series(),
                                    .recent = storage_->recent(),
                                    .packed = storage_->packed(),
                                    .ready = [this] { return storage_->state().ready; },
                                    .rules = [this](const auto& tenant) { return ruler_->views(tenant); },
                                    .alertmanagers = [this] { return ruler_->alertmanagers(); },
                                    .targets = [this] { return scraper_->report(); }});
  all.push_back({"POST", "/api/v1/write", write});
  all.push_back({"POST", "/prometheus/api/v1/write", write});
  return all;
}

api::prometheus::ReadOptions Server::prometheus_options() const {
  const auto config = config_.load();
  const config::Settings& s = config->settings;
  api::prometheus::ReadOptions options;
  options.features = api::prometheus::features_of(s.text("prometheus.features"));
  options.limits.max_samples = static_cast<size_t>(s.integer("prometheus.max_samples"));
  options.limits.max_series = static_cast<size_t>(s.integer("prometheus.max_series"));
  query_budget_->set_max(static_cast<size_t>(s.integer("prometheus.total_samples")));
  options.budget = query_budget_;
  options.naming = promql::store::naming_of(s.text("prometheus.translation"));
  options.lookback_ms = s.ms("prometheus.lookback");
  options.timeout_ms = s.ms("prometheus.timeout");
  options.tenant_queries = static_cast<size_t>(s.integer("prometheus.tenant_queries"));
  const store::RetentionPolicy retention = retention_policy(s);
  options.retention_ms = retention.metrics_max_age_ms > 0 ? retention.metrics_max_age_ms : retention.max_age_ms;
  options.started = started_;
  options.version = version_text;
  return options;
}

// Ready: telemetry is taken. The engine may be away for a while without making that untrue.
http::Response Server::readyz() const {
  const ingest::Health in = storage_->ingest().health();
  const Storage::State engine = storage_->state();
  const api::loop::SnapshotPtr loop = snapshot_.load();  // none before its first step
  const nlohmann::json body = {
      {"ready", in.accepting},
      {"version", version_text},
      {"pid", getpid()},
      {"ingest",
       {{"accepting", in.accepting},
        {"reason", in.reason},
        {"replaying", in.replaying},
        {"journal_bytes", in.journal_bytes},
        {"waiting_rows", in.waiting_rows},
        {"undecided_spans", in.held_rows},
        {"oldest_waiting_ms", in.oldest_waiting_ms},
        {"quarantined_blocks", in.quarantined_blocks},
        {"corrupt_segments", in.corrupt_segments}}},
      {"loop", loop == nullptr ? nlohmann::json() : nlohmann::json::parse(loop->status, nullptr, false)},
      {"engine",
       {{"ready", engine.ready},
        {"pid", engine.pid > 0 ? nlohmann::json(engine.pid) : nlohmann::json()},
        {"starts", engine.starts},
        {"failed_starts", engine.failed_starts},
        {"reason", engine.reason}}}};
  return http::Response::json(in.accepting ? 200 : 503, body.dump());
}

void Server::flush(const http::Done& done) {
  storage_->ingest().flush(flush_timeout_ms, [done](const Status& status) {
    done(status ? http::Response::json(200, R"({"flushed":true})") : http::Response::error(status.error()));
  });
}

Status Server::reload() {
  HS_ASSIGN(const std::shared_ptr<const config::Snapshot> next, common_.load());
  HS_TRY(config::check_reload(*config_.load(), *next));
  HS_ASSIGN(Ruler::Prepared rules, ruler_->prepare(*next));
  HS_ASSIGN(scrape::Scraper::Jobs scrapes, prepare_scrapes(*next));
  HS_ASSIGN(sampling::Policy sampling, sampling_policy(next->settings));
  HS_ASSIGN(Certificates::Read certificates, certificates_.read());
  HS_TRY(listeners_.check(next->settings));
  HS_TRY(check_values(next->settings));
  const std::vector<std::string> tokens = next->settings.list("security.ingest_tokens");
  HS_TRY(security::Credentials().replace(tokens));  // what is refused is refused before anything is applied
  HS_TRY(declare_knobs(*next));
  if (!loop_->configure(next)) {
    HS_TRY(declare_knobs(*config_.load()));
    return fail(Code::unavailable, "the loop is busy; send SIGHUP again");
  }
  HS_TRY(senders_->replace(tokens));
  config_.store(next);
  certificates_.apply(std::move(certificates));
  sampler_->set_policy(std::move(sampling));
  gate_->set_policy(limits_policy(*next));
  scraper_->apply(std::move(scrapes));
  observer_->declare(next->declarations.probes);
  retention_->set_policy(retention_policy(next->settings));
  ruler_->apply(*next, std::move(rules));
  reload_values(data());
  return {};
}

}  // namespace hs::app
