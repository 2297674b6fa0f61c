#pragma once
// A server for those who push and never listen (syslog): bytes of TCP connections and UDP datagrams go to a consumer.
//
// One thread goes in rounds: take what has come from everybody, then deliver() it as a whole, which may wait for the
// disk; the next round takes what came meanwhile. While it waits TCP senders are held back by their window, and
// datagrams lie in the kernel's buffer; those that do not fit are counted.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/http.h"

namespace hs::net {

class TlsServer;

struct PushOptions {
  std::optional<io::Endpoint> tcp, udp;  // port 0 picks one
  std::shared_ptr<TlsServer> tls;        // of the TCP connections; none: they are plain
  std::string name = "push";             // in logs, the thread's name and the label `listener` of metrics
  // Further connections are closed at once. Each costs its consumer what is left of an unfinished message.
  size_t connections_max = 512;
  // Taken in one round: the bound of a delivery's memory. More waits in the kernel.
  size_t round_bytes_max = 1 << 20;
  // A connection on which nothing comes is closed then: hosts disappear without a word. Senders connect again.
  int64_t idle_timeout_ms = 3'600'000;
  // TLS must be agreed on within this: whoever only connects keeps no place.
  int64_t handshake_timeout_ms = 10'000;
  int datagram_buffer_bytes = 8 << 20;  // asked of the kernel, which may grant less (net.core.rmem_max)
};

struct PushPeer {
  std::string host = {};            // its numeric address
  std::string tls_version = {};     // "1.2", "1.3"; "" without TLS
  std::string client_subject = {};  // of the certificate that it showed and that was verified
};

// All are called on the server's thread.
struct PushConsumer {
  // A connection begins (with TLS: is agreed on); the result takes its bytes in order, `last` (with or without bytes)
  // when it has ended.
  using Take = std::function<void(std::string_view bytes, bool last)>;
  std::function<Take(const PushPeer& peer)> connected;
  std::function<void(std::string_view datagram, const PushPeer& peer)> datagram;
  // Puts away what was taken in this round; returns when that is done or given up. Blocks; ends soon when stopped.
  std::function<void(const std::stop_token& stop)> deliver;
};

class PushServer {
 public:
  static Result<std::unique_ptr<PushServer>> start(PushOptions options, PushConsumer consumer);
  ~PushServer();  // what was received so far is taken and delivered

  std::optional<io::Endpoint> tcp_address() const;  // with the port that was picked
  std::optional<io::Endpoint> udp_address() const;

 private:
  struct Impl;
  explicit PushServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hs::net
