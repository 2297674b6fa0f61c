#pragma once
// One connection through a fault proxy. Lives on the proxies' thread.

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "chaos/faults.h"
#include "net/asio.h"
#include "net/frame_tracker.h"
#include "net/resolve.h"

namespace hs::net {

// What a proxy's connections share.
struct FaultSite {
  config::Proxy spec;
  SocketAddress upstream;
  chaos::Faults& faults;
  io::Random& random;
  int64_t connect_timeout_ms = 0;
};

// Bytes on their way in one direction, each piece with the time at which it may arrive.
struct DelayLine {
  struct Piece {
    MonoNanos due = 0;
    std::string bytes;  // empty: the end of the stream
  };
  explicit DelayLine(const asio::any_io_executor& executor) : news(executor), room(executor) {}
  std::deque<Piece> pieces;
  size_t bytes = 0;
  MonoNanos last_due = 0;         // later pieces never overtake
  asio::steady_timer news, room;  // cancelled to wake the writer, the reader
};

// Shared by its coroutines.
class FaultConnection : public std::enable_shared_from_this<FaultConnection> {
 public:
  FaultConnection(Socket client, const FaultSite& site);

  // Until either side is gone; starts coroutines of its own for the second direction.
  asio::awaitable<void> run();
  // Called often: applies what must not wait for the next byte.
  void tick();
  // Closes both sides with a reset.
  void tear();
  // Closes both sides as they would close by themselves.
  void close();

 private:
  enum class Step : uint8_t { again, tunnel, end };

  asio::awaitable<bool> connect();
  asio::awaitable<void> run_tunnel(std::string from_client, std::string from_upstream);
  asio::awaitable<void> read_into(Socket& from, DelayLine& line, bool delayed);
  asio::awaitable<void> write_from(DelayLine& line, Socket& to);
  asio::awaitable<bool> wait_for_due(DelayLine& line);
  void push(DelayLine& line, std::string bytes, bool delayed);
  void spawn(asio::awaitable<void> work);

  asio::awaitable<void> run_http();
  asio::awaitable<Step> relay_request();
  asio::awaitable<Step> relay_response(bool head);
  asio::awaitable<Step> end_of_stream();
  asio::awaitable<Step> answer_instead(RequestTracker& request, int status);
  asio::awaitable<Step> forward_request(std::shared_ptr<RequestTracker> request, size_t ready);
  asio::awaitable<void> forward_body(std::shared_ptr<RequestTracker> request);
  asio::awaitable<bool> fill(Socket& from, std::string& buffer);
  void watch_upstream();

  asio::awaitable<bool> write_slowly(Socket& to, std::string_view bytes);
  asio::awaitable<void> sleep_ms(int64_t ms);
  asio::awaitable<void> sleep_while_faulty(int64_t ms);
  chaos::ConnectionEffect effect() const { return site_.faults.connection(site_.spec.name, draw_); }
  void half_close(Socket& socket);
  void release(bool reset);

  Socket client_, upstream_;
  const FaultSite& site_;
  const double draw_;  // decides for which shares this connection counts
  DelayLine up_, down_;
  std::string from_client_, from_upstream_;  // HTTP: received, not yet forwarded
  MonoNanos give_up_ = 0;                    // 0: never; set while connecting and while closing
  int streams_open_ = 0;                     // tunnel: directions that have not ended
  bool watching_ = false, idle_ = false, sending_body_ = false, closed_ = false;
};

}  // namespace hs::net
