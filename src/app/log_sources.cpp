#include "app/log_sources.h"

#include <fmt/format.h>

#include "base/log.h"
#include "security/guard.h"
#include "wire/syslog/message.h"

namespace hs::app {
namespace {

// Syslog has no credentials but a sender's certificate: beyond loopback the others need the explicit word.
Result<std::optional<io::Endpoint>> endpoint_of(const config::Settings& settings, const std::string& key,
                                                bool verifies_senders = false) {
  const std::string address = settings.text(key);
  if (address.empty()) return std::optional<io::Endpoint>();
  HS_TRY(security::check_bind(key, address, verifies_senders, settings.flag("security.insecure_bind"),
                              "syslog.client_ca_file and use listen.syslog_tls"));
  HS_ASSIGN(io::Endpoint endpoint, io::parse_endpoint(address));
  return std::optional(std::move(endpoint));
}

}  // namespace

Result<std::unique_ptr<LogSources>> LogSources::start(const config::Settings& settings,
                                                      const api::otlp::ReceiverOptions& options, io::Clock& clock,
                                                      const api::otlp::Sink& sink, Certificates& certificates) {
  auto sources = std::make_unique<LogSources>();
  HS_TRY(sources->open_syslog(settings, options, clock, sink, certificates));
  HS_TRY(sources->open_files(settings, options, clock, sink));
  return sources;
}

Status LogSources::open_syslog(const config::Settings& settings, const api::otlp::ReceiverOptions& receiver,
                               io::Clock& clock, const api::otlp::Sink& sink, Certificates& certificates) {
  const auto offset = wire::syslog::parse_utc_offset(settings.text("syslog.utc_offset"));
  if (!offset) return fail(Code::invalid_argument, fmt::format("syslog.utc_offset: {}", offset.error().message));
  syslog_delivery_ =
      std::make_unique<sources::LogDelivery>(sources::LogDelivery::Options{.tenant = settings.text("syslog.tenant"),
                                                                           .body_bytes_max = receiver.body_bytes_max,
                                                                           .parse_text = receiver.parse_text,
                                                                           .gate = receiver.gate},
                                             sink);
  net::PushOptions plain;
  HS_ASSIGN(plain.tcp, endpoint_of(settings, "listen.syslog_tcp"));
  HS_ASSIGN(plain.udp, endpoint_of(settings, "listen.syslog_udp"));
  if (plain.tcp || plain.udp) HS_TRY(listen("syslog", std::move(plain), *offset, clock));
  const std::string senders = settings.text("syslog.client_ca_file");
  net::PushOptions secured;
  HS_ASSIGN(secured.tcp, endpoint_of(settings, "listen.syslog_tls", !senders.empty()));
  if (!secured.tcp) return {};
  auto tls = certificates.open({.cert_file = settings.text("tls.cert_file"),
                                .key_file = settings.text("tls.key_file"),
                                .client_ca_file = senders,
                                .client_ca_setting = "syslog.client_ca_file",
                                .legacy_cipher = true});
  if (!tls) return fail(tls.error().code, fmt::format("listen.syslog_tls: {}", tls.error().message));
  secured.tls = std::move(*tls);
  return listen("syslog_tls", std::move(secured), *offset, clock);
}

// A thread for each, so that handshakes of strangers do not delay plain senders.
Status LogSources::listen(const std::string& name, net::PushOptions options, int64_t utc_offset_s, io::Clock& clock) {
  options.name = name;
  const std::string tcp = options.tls ? "listen.syslog_tls" : "listen.syslog_tcp";
  Syslog syslog;
  syslog.receiver = std::make_unique<sources::SyslogReceiver>(sources::SyslogOptions{.utc_offset_s = utc_offset_s},
                                                              clock, *syslog_delivery_);
  auto server = net::PushServer::start(std::move(options), syslog.receiver->consumer());
  if (!server) return fail(server.error().code, fmt::format("listen.{}*: {}", name, server.error().message));
  syslog.server = std::move(*server);
  if (const auto at = syslog.server->tcp_address()) log::info("listening", {{"on", tcp}, {"address", at->text()}});
  if (const auto at = syslog.server->udp_address())
    log::info("listening", {{"on", "listen.syslog_udp"}, {"address", at->text()}});
  syslogs_.push_back(std::move(syslog));
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
