#include "app/server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "app/values_process.h"
#include "app/version.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/router.h"
#include "security/guard.h"

namespace hs::app {
namespace {

constexpr int64_t stop_deadline_ms = 1'500;  // for requests in flight; the whole stop takes under 5 s

http::Response metrics_page() {
  http::Response page = http::Response::text(200, metrics::exposition());
  page.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  return page;
}

}  // namespace

Server::Server(const Common& common, std::shared_ptr<const config::Snapshot> config)
    : common_(common), config_(std::move(config)) {}

Result<std::unique_ptr<Server>> Server::start(const Common& common, std::shared_ptr<const config::Snapshot> config) {
  std::unique_ptr<Server> server(new Server(common, std::move(config)));
  HS_TRY(server->open_data());
  HS_TRY(server->open_access());
  HS_TRY(server->open_values());
  HS_TRY(server->open_listeners());
  return server;
}

Server::~Server() {
  for (auto& listener : listeners_) listener->stop(stop_deadline_ms);
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
  if (!address.empty()) HS_TRY(ensure_values(data(), address));
  observer_ = std::make_unique<Observer>(http_, clock_, address);
  observer_->declare(config_.load()->declarations.probes);
  return {};
}

Status Server::open_listeners() {
  HS_TRY(listen("listen.http", net::Router(routes())));
  return {};
}

Status Server::listen(const std::string& setting, http::Handler handler) {
  const std::string address = settings().text(setting);
  if (address.empty()) return {};
  HS_TRY(security::check_bind(setting, address, !senders_->empty(), settings().flag("security.insecure_bind")));
  HS_ASSIGN(const io::Endpoint endpoint, io::parse_endpoint(address));
  security::Policy policy{.rules = {{"", "/healthz", security::Access::open},
                                    {"", "/readyz", security::Access::open},
                                    {"POST", "/v1/traces", security::Access::sender},
                                    {"POST", "/v1/metrics", security::Access::sender},
                                    {"POST", "/v1/logs", security::Access::sender},
                                    {"POST", "/otlp", security::Access::sender}},
                          .hosts = [this] { return settings().list("security.hosts"); },
                          .any_address = !security::is_loopback(address),
                          .read_needs_token = !security::is_loopback(address),
                          .operators = operators_,
                          .senders = senders_};
  net::HttpServerOptions options{.listen = endpoint,
                                 .name = setting.substr(setting.find('.') + 1),
                                 .body_bytes_max = static_cast<size_t>(settings().bytes("ingest.body_max"))};
  auto server = net::HttpServer::start(options, security::guard(std::move(handler), std::move(policy)));
  if (!server) return fail(server.error().code, fmt::format("{} {}: {}", setting, address, server.error().message));
  log::info("listening", {{"on", setting}, {"address", (*server)->address().text()}});
  listeners_.push_back(std::move(*server));
  return {};
}

http::Routes Server::routes() {
  const auto get = [](std::string path, auto f) {
    return http::Route{"GET", std::move(path), http::answer(std::move(f))};
  };
  return {
      get("/healthz", [](const http::Request&) { return http::Response::text(200, "ok\n"); }),
      get("/readyz", [this](const http::Request&) { return readyz(); }),
      get("/metrics", [](const http::Request&) { return metrics_page(); }),
  };
}

http::Response Server::readyz() const {
  const nlohmann::json body = {{"ready", true}, {"version", version_text}, {"pid", getpid()}};
  return http::Response::json(200, body.dump());
}

Status Server::reload() {
  HS_ASSIGN(const std::shared_ptr<const config::Snapshot> next, common_.load());
  HS_TRY(config::check_reload(*config_.load(), *next));
  HS_TRY(senders_->replace(next->settings.list("security.ingest_tokens")));
  config_.store(next);
  observer_->declare(next->declarations.probes);
  return {};
}

}  // namespace hs::app
