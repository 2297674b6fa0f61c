#pragma once
// The POSIX side of sockets: opening, listening, dialling under a deadline. No Asio here.

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/http.h"

namespace hs::net {

// A file descriptor with one owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// A listening socket, close-on-exec (children must not keep our ports). A TCP host must be numeric or "localhost"
// (127.0.0.1); port 0 picks one. A UNIX socket gets mode 0600; a stale one is replaced, a live one is refused.
struct Listener {
  Fd fd;
  io::Endpoint address;  // with the port that was picked
  ~Listener();           // removes the UNIX socket's file
  Listener(Fd f, io::Endpoint a) : fd(std::move(f)), address(std::move(a)) {}
  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = delete;
};
Result<Listener> listen_on(const io::Endpoint& where);

// Accepts one connection: non-blocking, close-on-exec, TCP_NODELAY. Empty when there is none (errno says why).
Fd accept_one(int listener);
// "127.0.0.1:5000" or "unix".
std::string peer_of(int fd);
// The port that an IP socket is bound to.
uint16_t port_of(int fd);

// When to give up, and who may ask us to before. All waiting of blocking code goes through here.
class Waiter {
 public:
  Waiter(int64_t timeout_ms, std::stop_token cancel);
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // Waits until `fd` has one of `events` (POLLIN, POLLOUT); `ready` gets what it has. fd -1: only the deadline.
  Status wait(int fd, short events, short& ready);
  int64_t left_ms() const;
  Status check() const;  // the deadline or the cancellation, if it has come

 private:
  struct Wake;
  MonoNanos at_;
  std::stop_token cancel_;
  std::unique_ptr<Wake> wake_;  // only when cancel_ can be asked
};

using MayDial = std::function<Status(std::string_view address)>;
// A connected, non-blocking socket. Names are resolved under the deadline too; each address is tried in turn.
Result<Fd> dial(const io::Endpoint& to, Waiter& waiter, const MayDial& may_dial);

// The error text of `number`, thread-safe.
std::string errno_text(int number);

}  // namespace hs::net
