#include "app/log_sources.h"

#include <fmt/format.h>

#include "base/log.h"
#include "security/guard.h"
#include "wire/syslog/message.h"

namespace hs::app {
namespace {

// Syslog has no credentials: beyond loopback only the explicit word counts.
Result<std::optional<io::Endpoint>> endpoint_of(const config::Settings& settings, const std::string& key) {
  const std::string address = settings.text(key);
  if (address.empty()) return std::optional<io::Endpoint>();
  HS_TRY(security::check_bind(key, address, false, settings.flag("security.insecure_bind")));
  HS_ASSIGN(io::Endpoint endpoint, io::parse_endpoint(address));
  return std::optional(std::move(endpoint));
}

}  // namespace

Result<std::unique_ptr<LogSources>> LogSources::start(const config::Settings& settings,
                                                      const api::otlp::ReceiverOptions& options, io::Clock& clock,
                                                      const api::otlp::Sink& sink) {
  auto sources = std::make_unique<LogSources>();
  HS_TRY(sources->open_syslog(settings, options, clock, sink));
  HS_TRY(sources->open_files(settings, options, clock, sink));
  return sources;
}

Status LogSources::open_syslog(const config::Settings& settings, const api::otlp::ReceiverOptions& receiver,
                               io::Clock& clock, const api::otlp::Sink& sink) {
  const auto offset = wire::syslog::parse_utc_offset(settings.text("syslog.utc_offset"));
  if (!offset) return fail(Code::invalid_argument, fmt::format("syslog.utc_offset: {}", offset.error().message));
  net::PushOptions options{.name = "syslog"};
  HS_ASSIGN(options.tcp, endpoint_of(settings, "listen.syslog_tcp"));
  HS_ASSIGN(options.udp, endpoint_of(settings, "listen.syslog_udp"));
  if (!options.tcp && !options.udp) return {};
  syslog_delivery_ =
      std::make_unique<sources::LogDelivery>(sources::LogDelivery::Options{.tenant = settings.text("syslog.tenant"),
                                                                           .body_bytes_max = receiver.body_bytes_max,
                                                                           .parse_text = receiver.parse_text,
                                                                           .gate = receiver.gate},
                                             sink);
  syslog_ = std::make_unique<sources::SyslogReceiver>(sources::SyslogOptions{.utc_offset_s = *offset}, clock,
                                                      *syslog_delivery_);
  auto server = net::PushServer::start(std::move(options), syslog_->consumer());
  if (!server) return fail(server.error().code, fmt::format("listen.syslog_*: {}", server.error().message));
  syslog_server_ = std::move(*server);
  if (const auto at = syslog_server_->tcp_address())
    log::info("listening", {{"on", "listen.syslog_tcp"}, {"address", at->text()}});
  if (const auto at = syslog_server_->udp_address())
    log::info("listening", {{"on", "listen.syslog_udp"}, {"address", at->text()}});
  return {};
}

Status LogSources::open_files(const config::Settings& settings, const api::otlp::ReceiverOptions& receiver,
                              io::Clock& clock, const api::otlp::Sink& sink) {
  const std::vector<std::string> globs = settings.list("logs.files");
  if (globs.empty()) return {};
  file_delivery_ = std::make_unique<sources::LogDelivery>(
      sources::LogDelivery::Options{
          .body_bytes_max = receiver.body_bytes_max, .parse_text = receiver.parse_text, .gate = receiver.gate},
      sink);
  auto tailer = sources::Tailer::start({.globs = globs, .state_path = settings.text("data") + "/tail.state"}, clock,
                                       *file_delivery_);
  if (!tailer) return fail(tailer.error().code, fmt::format("logs.files: {}", tailer.error().message));
  tailer_ = std::move(*tailer);
  return {};
}

}  // namespace hs::app
