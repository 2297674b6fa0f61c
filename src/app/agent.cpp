#include "app/agent.h"

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "agent/forwarder.h"
#include "agent/intake.h"
#include "agent/queue.h"
#include "api/otlp/receiver.h"
#include "app/certificates.h"
#include "app/listeners.h"
#include "app/log_sources.h"
#include "app/signals.h"
#include "app/stopping.h"
#include "app/version.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/metrics_page.h"
#include "io/files.h"
#include "net/grpc_server.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/router.h"
#include "net/tls_client.h"
#include "security/guard.h"

namespace hs::app {
namespace {

// Together with what one request needs while it is decoded (six times agent.body_max), the binary itself and its
// threads, these keep the agent below 64 MiB (docs/agent.md).
constexpr size_t bodies_bytes_max = 8 << 20;  // of a listener: being received or answered
constexpr size_t grpc_transport_bytes_max = 12 << 20;
constexpr size_t connections_max = 128;
// Freed memory goes back to the system: blocks from this size on are maps of their own, and threads share two heaps.
constexpr int malloc_map_bytes = 256 << 10;
constexpr int malloc_heaps = 2;

class Agent {
 public:
  static Result<std::unique_ptr<Agent>> start(std::shared_ptr<const config::Snapshot> config);
  ~Agent();

  // Reads the certificates again, or says why nothing was applied. All else is read at the start only.
  Status reload();

 private:
  explicit Agent(std::shared_ptr<const config::Snapshot> config) : config_(std::move(config)) {}
  const config::Settings& settings() const { return config_->settings; }
  size_t body_max() const { return static_cast<size_t>(settings().bytes("agent.body_max")); }
  std::string directory() const { return settings().text("data") + "/agent"; }
  Status open_intake();
  Status open_queue();
  Status open_forwarder();
  Status open_listeners();
  http::Handler one_at_a_time(http::Handler handler);
  rpc::Methods one_at_a_time(rpc::Methods methods);
  api::otlp::ReceiverOptions receiver_options() const;
  api::otlp::Sink sink();
  http::Routes routes();
  http::Response readyz();
  void add_metrics();

  const std::shared_ptr<const config::Snapshot> config_;
  io::Clock& clock_ = io::system_clock();
  io::Random& random_ = io::system_random();
  std::unique_ptr<io::FileLock> lock_;
  std::shared_ptr<security::Credentials> operators_ = std::make_shared<security::Credentials>();
  std::shared_ptr<security::Credentials> senders_ = std::make_shared<security::Credentials>();
  agent::IntakeOptions intake_;
  std::unique_ptr<agent::Queue> queue_;
  std::unique_ptr<io::Http> http_;
  std::unique_ptr<agent::Forwarder> forwarder_;
  std::mutex decoding_;  // one request at a time is decoded: the bound of the agent's memory
  Certificates certificates_;
  Listeners listeners_{{.hosts = [this] { return settings().list("security.hosts"); },
                        .operators = operators_,
                        .senders = senders_,
                        .certificates = certificates_}};
  std::unique_ptr<LogSources> log_sources_;
};

Result<http::Headers> headers_of(const std::vector<std::string>& items) {
  http::Headers out;
  for (const std::string& item : items) {
    const size_t equals = item.find('=');
    const auto bad = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; };
    if (equals == 0 || equals == std::string::npos || std::any_of(item.begin(), item.end(), bad) ||
        item.substr(0, equals).find_first_of(" :") != std::string::npos)
      return fail(Code::invalid_argument, "agent.forward.headers: each item is NAME=VALUE");
    out.set(item.substr(0, equals), item.substr(equals + 1));
  }
  return out;
}

Result<std::unique_ptr<Agent>> Agent::start(std::shared_ptr<const config::Snapshot> config) {
  std::unique_ptr<Agent> agent(new Agent(std::move(config)));
  HS_TRY(agent->open_intake());
  HS_TRY(agent->open_queue());
  HS_TRY(agent->open_forwarder());
  HS_TRY(agent->open_listeners());
  agent->add_metrics();
  return agent;
}

Agent::~Agent() {
  Stopping stopping(clock_, [] {});
  stopping.step("requests in flight", [this] { listeners_.stop(Stopping::requests_ms); });
  stopping.step("log files and syslog", [this] { log_sources_.reset(); });
  stopping.step("forwarding", [this] { forwarder_.reset(); });
  stopping.step("the queue", [this] { queue_.reset(); });
}

Status Agent::open_intake() {
  const std::string compression = settings().text("agent.forward.compression");
  HS_ASSIGN(intake_.compression, parse_coding(compression == "none" ? "" : compression));
  intake_.body_bytes_max = body_max();
  intake_.sampling = {settings().real("agent.sampling.ratio"), settings().flag("agent.sampling.keep_errors")};
  HS_ASSIGN(intake_.redactor, agent::Redactor::make({.patterns = settings().list("agent.redact.patterns"),
                                                     .custom = settings().list("agent.redact.custom"),
                                                     .drop_keys = settings().list("agent.redact.drop_keys"),
                                                     .mask_keys = settings().list("agent.redact.mask_keys")}));
  return {};
}

Status Agent::open_queue() {
  const std::string data = settings().text("data");
  HS_TRY(io::make_directories(directory()));
  auto lock = io::FileLock::try_take(data + "/serve.lock");  // also of serve: they would read the same log files
  if (!lock)
    return fail(Code::conflict, fmt::format("another `homeostat serve` or `agent` uses {}; stop it or choose another "
                                            "--data",
                                            data));
  lock_ = std::make_unique<io::FileLock>(std::move(*lock));
  HS_TRY(lock_->write(fmt::format("{}", getpid())));
  HS_ASSIGN(const std::string token, security::ensure_token(data + "/token", random_));
  operators_->add("operator", token);
  HS_TRY(senders_->replace(settings().list("security.ingest_tokens")));
  agent::QueueOptions options;
  options.directory = directory();
  options.max_bytes = static_cast<uint64_t>(settings().bytes("agent.queue.max_bytes"));
  options.min_free_bytes = static_cast<uint64_t>(settings().bytes("agent.queue.min_free"));
  options.retry_window_ms = settings().ms("ingest.retry_window");
  HS_ASSIGN(queue_, agent::Queue::open(std::move(options), io::system_disk(), clock_, random_));
  return {};
}

Status Agent::open_forwarder() {
  const std::string url = settings().text("agent.forward.url");
  if (url.empty())
    return fail(Code::invalid_argument,
                "agent.forward.url is not set: the receiver's OTLP/HTTP address, such as http://10.0.0.1:4318");
  HS_ASSIGN(const agent::Destination to, agent::parse_destination(url));
  agent::ForwardOptions options{.to = to.endpoint,
                                .path = to.path,
                                .connections = static_cast<int>(settings().integer("agent.forward.connections")),
                                .timeout_ms = settings().ms("agent.forward.timeout"),
                                .backoff_max_ms = settings().ms("agent.forward.backoff_max")};
  HS_ASSIGN(options.headers, headers_of(settings().list("agent.forward.headers")));
  if (to.https)
    http_ = std::make_unique<net::TlsClient>(net::TlsOptions{.ca_file = settings().text("agent.forward.ca_file"),
                                                             .cert_file = settings().text("agent.forward.cert_file"),
                                                             .key_file = settings().text("agent.forward.key_file"),
                                                             .server_name = ""});
  else
    http_ = std::make_unique<net::HttpClient>();
  forwarder_ = std::make_unique<agent::Forwarder>(std::move(options), *queue_, *http_, clock_, random_);
  return {};
}

Status Agent::open_listeners() {
  using enum security::Access;
  const std::vector<security::Rule> otlp = {{"", "/", sender}};
  const std::vector<security::Rule> own = {{"", "/healthz", open}, {"", "/readyz", open}};
  const size_t all_bodies = std::max(bodies_bytes_max, body_max());
  const net::HttpServerOptions options{.threads = 1,
                                       .body_bytes_max = body_max(),
                                       .all_bodies_bytes_max = all_bodies,
                                       .connections_max = connections_max};
  const net::GrpcServerOptions grpc{.message_bytes_max = body_max(),
                                    .all_messages_bytes_max = all_bodies,
                                    .transport_bytes_max = std::max(grpc_transport_bytes_max, 2 * body_max())};
  auto receiver = one_at_a_time(api::otlp::http_receiver(receiver_options(), clock_, sink()));
  HS_TRY(listeners_.open_tls(settings()));
  HS_TRY(listeners_.grpc(settings(), "listen.otlp_grpc", grpc,
                         one_at_a_time(api::otlp::grpc_receiver(receiver_options(), clock_, sink()))));
  HS_TRY(listeners_.http(
      settings(), "listen.otlp_http", options,
      api::otlp::with_status_errors(listeners_.guarded(settings(), "listen.otlp_http", otlp, std::move(receiver)))));
  HS_ASSIGN(log_sources_, LogSources::start(settings(), receiver_options(), clock_, sink(), certificates_));
  // The last one: /readyz tells that the others take telemetry.
  return listeners_.http(settings(), "listen.http", options,
                         listeners_.guarded(settings(), "listen.http", own, net::Router(routes())));
}

api::otlp::ReceiverOptions Agent::receiver_options() const { return {.body_bytes_max = body_max(), .parse_text = {}}; }

api::otlp::Sink Agent::sink() {
  return [this](ingest::Incoming incoming, const model::Batch& batch, std::function<void(Status)> done) {
    auto item = agent::take_in(std::move(incoming), batch, intake_);
    if (!item) return done(tl::unexpected(std::move(item).error()));
    if (!*item) return done({});  // no span of it was kept
    queue_->append(std::move(**item), std::move(done));
  };
}

http::Handler Agent::one_at_a_time(http::Handler handler) {
  return [this, handler = std::move(handler)](http::Request request, http::Done done) {
    const std::lock_guard lock(decoding_);
    handler(std::move(request), std::move(done));
  };
}

rpc::Methods Agent::one_at_a_time(rpc::Methods methods) {
  for (auto& [name, handler] : methods)
    handler = [this, inner = std::move(handler)](rpc::Request request, rpc::Done done) {
      const std::lock_guard lock(decoding_);
      inner(std::move(request), std::move(done));
    };
  return methods;
}

http::Routes Agent::routes() {
  const auto get = [](std::string path, auto f) {
    return http::Route{"GET", std::move(path), http::answer(std::move(f))};
  };
  return {get("/healthz", [](const http::Request&) { return http::Response::text(200, "ok\n"); }),
          get("/readyz", [this](const http::Request&) { return readyz(); }),
          get("/metrics", [](const http::Request&) { return metrics::page(); })};
}

// Ready: telemetry is taken. A receiver that is away does not make that untrue; `forward` tells.
http::Response Agent::readyz() {
  const agent::QueueHealth queue = queue_->health();
  const agent::ForwardState forward = forwarder_->state();
  const nlohmann::json body = {{"ready", queue.accepting},
                               {"version", version_text},
                               {"pid", getpid()},
                               {"queue",
                                {{"accepting", queue.accepting},
                                 {"reason", queue.reason},
                                 {"bytes", queue.bytes},
                                 {"requests", queue.requests},
                                 {"oldest_ms", queue.oldest_ms}}},
                               {"forward", {{"problem", forward.problem}, {"waits_ms", forward.waits_ms}}}};
  return http::Response::json(queue.accepting ? 200 : 503, body.dump());
}

void Agent::add_metrics() {
  metrics::add_collector([this](std::vector<metrics::Sample>& out) {
    const agent::QueueHealth queue = queue_->health();
    const auto gauge = [&out](const char* name, const char* help, double value) {
      out.push_back({name, help, "gauge", "", value});
    };
    gauge("homeostat_agent_queue_bytes", "Queue on disk.", static_cast<double>(queue.bytes));
    gauge("homeostat_agent_queue_max_bytes", "agent.queue.max_bytes: then senders are told to retry.",
          static_cast<double>(settings().bytes("agent.queue.max_bytes")));
    gauge("homeostat_agent_queue_requests", "Requests that the receiver does not have.",
          static_cast<double>(queue.requests));
    gauge("homeostat_agent_queue_oldest_seconds", "Age of the oldest of them.",
          static_cast<double>(queue.oldest_ms) / 1e3);
    for (const agent::Redactor::Count& count : intake_.redactor->counts())
      out.push_back({"homeostat_agent_redacted_total", "What was replaced or left out, by pattern.", "counter",
                     fmt::format("pattern=\"{}\"", count.name), static_cast<double>(count.times)});
  });
}

Status Agent::reload() {
  HS_ASSIGN(Certificates::Read certificates, certificates_.read());
  certificates_.apply(std::move(certificates));
  return {};
}

void reload(Agent& agent) {
  if (const Status ok = agent.reload(); ok)
    log::info("certificates applied; the configuration is read when the agent starts only");
  else
    log::error("certificates not applied", {{"why", ok.error().message}});
}

}  // namespace

int agent(const Common& common) {
  Signals signals;
  mallopt(M_ARENA_MAX, malloc_heaps);
  mallopt(M_MMAP_THRESHOLD, malloc_map_bytes);
  const auto loaded = common.load();
  if (!loaded) {
    log::error("cannot start", {{"why", loaded.error().message}});
    return 1;
  }
  configure_log((*loaded)->settings);
  auto agent = Agent::start(*loaded);
  if (!agent) {
    log::error("cannot start", {{"why", agent.error().message}});
    return 1;
  }
  log::info("homeostat forwards", {{"version", version_text},
                                   {"data", (*loaded)->settings.text("data")},
                                   {"to", (*loaded)->settings.text("agent.forward.url")}});
  while (signals.wait() == SIGHUP) reload(**agent);
  log::info("stopping");
  agent->reset();
  log::info("stopped");
  return 0;
}

}  // namespace hs::app
