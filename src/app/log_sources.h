#pragma once
// Logs that come without OTLP: what is configured of syslog and files.

#include <memory>
#include <string>
#include <vector>

#include "api/otlp/receiver.h"
#include "app/certificates.h"
#include "config/settings.h"
#include "io/clock.h"
#include "net/push_server.h"
#include "sources/log_delivery.h"
#include "sources/syslog_receiver.h"
#include "sources/tailer.h"

namespace hs::app {

class LogSources {
 public:
  // `options`: as of the receivers of OTLP. Errors name the setting.
  static Result<std::unique_ptr<LogSources>> start(const config::Settings& settings,
                                                   const api::otlp::ReceiverOptions& options, io::Clock& clock,
                                                   const api::otlp::Sink& sink, Certificates& certificates);

 private:
  Status open_syslog(const config::Settings& settings, const api::otlp::ReceiverOptions& options, io::Clock& clock,
                     const api::otlp::Sink& sink, Certificates& certificates);
  Status listen(const std::string& name, net::PushOptions options, int64_t utc_offset_s, io::Clock& clock);
  Status open_files(const config::Settings& settings, const api::otlp::ReceiverOptions& options, io::Clock& clock,
                    const api::otlp::Sink& sink);

  // Those who call stand below those who are called.
  struct Syslog {
    std::unique_ptr<sources::SyslogReceiver> receiver;
    std::unique_ptr<net::PushServer> server;
  };
  std::unique_ptr<sources::LogDelivery> syslog_delivery_;
  std::vector<Syslog> syslogs_;
  std::unique_ptr<sources::LogDelivery> file_delivery_;
  std::unique_ptr<sources::Tailer> tailer_;
};

}  // namespace hs::app
