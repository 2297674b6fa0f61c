#pragma once
// Logs that come without OTLP: what is configured of syslog.

#include <memory>

#include "api/otlp/receiver.h"
#include "config/settings.h"
#include "io/clock.h"
#include "net/push_server.h"
#include "sources/log_delivery.h"
#include "sources/syslog_receiver.h"

namespace hs::app {

class LogSources {
 public:
  // Errors name the setting.
  static Result<std::unique_ptr<LogSources>> start(const config::Settings& settings, io::Clock& clock,
                                                   api::otlp::Sink sink);

 private:
  Status open_syslog(const config::Settings& settings, io::Clock& clock, const api::otlp::Sink& sink);

  // Those who call stand below those who are called.
  std::unique_ptr<sources::LogDelivery> syslog_delivery_;
  std::unique_ptr<sources::SyslogReceiver> syslog_;
  std::unique_ptr<net::PushServer> syslog_server_;
};

}  // namespace hs::app
