#include "app/listeners.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <thread>

#include <fmt/format.h>

#include "base/log.h"
#include "io/http.h"

namespace hs::app {
namespace {

constexpr std::array<std::string_view, 3> may_speak_tls = {"otlp_grpc", "otlp_http", "http"};

std::string name_of(const std::string& setting) { return setting.substr(setting.find('.') + 1); }

Status check_names(const std::string& setting, const std::vector<std::string>& names) {
  for (const std::string& name : names)
    if (std::find(may_speak_tls.begin(), may_speak_tls.end(), name) == may_speak_tls.end())
      return fail(Code::invalid_argument,
                  fmt::format("{}: '{}' is none of {}", setting, name, fmt::join(may_speak_tls, ", ")));
  return {};
}

bool is_in(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

std::string scheme_of(const config::Settings& settings, const std::string& name) {
  return is_in(settings.list("tls.listeners"), name) ? "https" : "http";
}

Status Listeners::open_tls(const config::Settings& settings) {
  const std::vector<std::string> names = settings.list("tls.listeners");
  std::vector<std::string> verified = settings.list("tls.verify_clients");
  HS_TRY(check_names("tls.listeners", names));
  HS_TRY(check_names("tls.verify_clients", verified));
  const std::string cert = settings.text("tls.cert_file"), authorities = settings.text("tls.client_ca_file");
  if (names.empty() && !cert.empty() && settings.text("listen.syslog_tls").empty())
    return fail(Code::invalid_argument, "tls.cert_file is set and shown by nobody: name listeners in tls.listeners");
  for (const std::string& name : verified)
    if (authorities.empty() || !is_in(names, name))
      return fail(Code::invalid_argument,
                  fmt::format("tls.verify_clients: {} needs tls.client_ca_file, and to be in tls.listeners", name));
  if (verified.empty()) verified = names;
  for (const std::string& name : names) {
    net::TlsServerOptions options{.cert_file = cert, .key_file = settings.text("tls.key_file"), .client_ca_file = ""};
    if (is_in(verified, name)) options.client_ca_file = authorities;
    HS_ASSIGN(tls_[name], outside_.certificates.open(std::move(options)));
  }
  return {};
}

std::shared_ptr<net::TlsServer> Listeners::tls_of(const std::string& name) const {
  const auto found = tls_.find(name);
  return found == tls_.end() ? nullptr : found->second;
}

Status Listeners::check_bind(const config::Settings& settings, const std::string& setting) const {
  const auto tls = tls_of(name_of(setting));
  const bool known = (tls && tls->verifies_clients()) || !settings.list("security.ingest_tokens").empty();
  return security::check_bind(setting, settings.text(setting), known, settings.flag("security.insecure_bind"));
}

Status Listeners::check(const config::Settings& settings) const {
  for (const std::string_view name : may_speak_tls) {
    const std::string setting = fmt::format("listen.{}", name);
    if (!settings.text(setting).empty()) HS_TRY(check_bind(settings, setting));
  }
  return {};
}

Result<io::Endpoint> Listeners::endpoint(const config::Settings& settings, const std::string& setting) const {
  const std::string address = settings.text(setting);
  HS_TRY(check_bind(settings, setting));
  if (!tls_of(name_of(setting)) && !security::is_loopback(address))
    log::warn(
        "a listener can be reached from other machines without TLS: what comes, tokens too, can be read on the way",
        {{"on", setting}, {"address", address}, {"fix", "tls.cert_file, tls.key_file and tls.listeners"}});
  return io::parse_endpoint(address);
}

Status Listeners::http(const config::Settings& settings, const std::string& setting, net::HttpServerOptions options,
                       http::Handler handler) {
  if (settings.text(setting).empty()) return {};
  HS_ASSIGN(options.listen, endpoint(settings, setting));
  options.name = name_of(setting);
  options.tls = tls_of(options.name);
  if (grpc_ && !options.tls && setting == "listen.otlp_http")
    options.http2 = [this](net::Fd connection, std::string_view received) {
      grpc_->adopt(std::move(connection), received);
    };
  auto server = net::HttpServer::start(std::move(options), std::move(handler));
  if (!server)
    return fail(server.error().code, fmt::format("{} {}: {}", setting, settings.text(setting), server.error().message));
  log::info(
      "listening",
      {{"on", setting}, {"address", (*server)->address().text()}, {"scheme", scheme_of(settings, name_of(setting))}});
  http_.push_back(std::move(*server));
  return {};
}

Status Listeners::grpc(const config::Settings& settings, const std::string& setting, net::GrpcServerOptions options,
                       rpc::Methods methods) {
  if (settings.text(setting).empty()) return {};
  HS_ASSIGN(options.listen, endpoint(settings, setting));
  options.name = name_of(setting);
  options.tls = tls_of(options.name);
  auto server = net::GrpcServer::start(std::move(options), security::guard(std::move(methods), outside_.senders));
  if (!server)
    return fail(server.error().code, fmt::format("{} {}: {}", setting, settings.text(setting), server.error().message));
  grpc_ = std::move(*server);
  log::info("listening",
            {{"on", setting}, {"address", grpc_->address().text()}, {"scheme", scheme_of(settings, name_of(setting))}});
  return {};
}

http::Handler Listeners::guarded(const config::Settings& settings, const std::string& setting,
                                 std::vector<security::Rule> rules, http::Handler handler) const {
  const bool loopback = security::is_loopback(settings.text(setting));
  return security::guard(std::move(handler), {.rules = std::move(rules),
                                              .hosts = outside_.hosts,
                                              .any_address = !loopback,
                                              .read_needs_token = !loopback,
                                              .operators = outside_.operators,
                                              .senders = outside_.senders});
}

void Listeners::stop(int64_t deadline_ms) {
  std::vector<std::jthread> all;
  if (grpc_) all.emplace_back([this, deadline_ms] { grpc_->stop(deadline_ms); });
  for (auto& server : http_) all.emplace_back([&server, deadline_ms] { server->stop(deadline_ms); });
}

}  // namespace hs::app
