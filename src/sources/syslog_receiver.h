#pragma once
// Syslog as log records (docs/syslog.md): messages of connections and datagrams become requests of the journal.

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>

#include "io/clock.h"
#include "net/push_server.h"
#include "sources/log_delivery.h"
#include "wire/otlp/log_writer.h"

namespace hs::sources {

struct SyslogOptions {
  // Longer messages are cut. RFC 5425 asks for 8 KiB; rsyslog and syslog-ng send up to 64 KiB when told to.
  size_t message_bytes_max = 64 * 1024;
  int64_t utc_offset_s = 0;  // of times that do not tell
};

// Not thread-safe: all is called on the listener's thread. Outlives the server.
class SyslogReceiver {
 public:
  SyslogReceiver(SyslogOptions options, io::Clock& clock, const LogDelivery& delivery);
  net::PushConsumer consumer();

 private:
  void add(std::string_view message, const net::PushPeer& peer, std::string_view transport);
  void deliver(const std::stop_token& stop);

  const SyslogOptions options_;
  io::Clock& clock_;
  const LogDelivery& delivery_;
  wire::otlp::LogWriter writer_{"syslog"};
  UnixNanos now_ = 0;  // of the round; grows, so that two rounds of equal messages are no retry of one another
};

}  // namespace hs::sources
