#include "net/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>

#include <fmt/format.h>

#include "io/clock.h"
#include "net/resolve.h"

namespace hs::net {
namespace {

// What may wait to be accepted; the kernel caps it at net.core.somaxconn.
constexpr int backlog = 1024;

tl::unexpected<Error> failed(std::string_view what, const io::Endpoint& where, int number) {
  return fail(Code::unavailable, fmt::format("cannot {} {}: {}", what, where.text(), errno_text(number)));
}

// A sockaddr_un holds 107 bytes. Longer paths go through the directory's descriptor, which must stay open meanwhile.
struct UnixAddress {
  sockaddr_un address{};
  Fd directory;
};

Result<UnixAddress> unix_address(const std::string& path) {
  UnixAddress out;
  out.address.sun_family = AF_UNIX;
  std::string name = path;
  if (name.size() >= sizeof out.address.sun_path) {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    out.directory = Fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!out.directory) return fail(Code::unavailable, fmt::format("cannot open {}: {}", folder, errno_text(errno)));
    name = fmt::format("/proc/self/fd/{}/{}", out.directory.get(), path.substr(slash + 1));
  }
  if (name.size() >= sizeof out.address.sun_path)
    return fail(Code::invalid_argument, fmt::format("the socket's file name is too long: {}", path));
  std::memcpy(out.address.sun_path, name.data(), name.size());
  return out;
}

Status connect_to(int fd, const sockaddr* address, socklen_t size, const io::Endpoint& to, Waiter& waiter) {
  if (::connect(fd, address, size) == 0) return {};
  // A UNIX socket with a full backlog says EAGAIN, and there is nothing to wait for.
  if (errno != EINPROGRESS) return failed("connect to", to, errno);
  short ready = 0;
  HS_TRY(waiter.wait(fd, POLLOUT, ready));
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return failed("connect to", to, error);
  return {};
}

Result<Fd> dial_unix(const io::Endpoint& to, Waiter& waiter) {
  HS_ASSIGN(const UnixAddress address, unix_address(to.unix_path));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failed("open a socket to", to, errno);
  const auto* raw = reinterpret_cast<const sockaddr*>(&address.address);
  HS_TRY(connect_to(fd.get(), raw, sizeof address.address, to, waiter));
  return fd;
}

void set_nodelay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Result<Fd> dial_tcp(const SocketAddress& address, const io::Endpoint& to, Waiter& waiter) {
  Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failed("open a socket to", to, errno);
  set_nodelay(fd.get());
  HS_TRY(connect_to(fd.get(), address.get(), address.size, to, waiter));
  return fd;
}

Result<Listener> listen_unix(const io::Endpoint& where) {
  Waiter no_wait(0, {});
  if (dial_unix(where, no_wait))
    return fail(Code::conflict, fmt::format("{} is in use by a running process", where.text()));
  struct stat old{};
  if (::lstat(where.unix_path.c_str(), &old) == 0 && S_ISSOCK(old.st_mode)) ::unlink(where.unix_path.c_str());
  HS_ASSIGN(const UnixAddress address, unix_address(where.unix_path));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failed("open", where, errno);
  ::fchmod(fd.get(), 0600);  // the file that bind() makes takes its mode from here
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.address), sizeof address.address) != 0)
    return failed("listen on", where, errno);
  ::chmod(where.unix_path.c_str(), 0600);
  if (::listen(fd.get(), backlog) != 0) return failed("listen on", where, errno);
  return Listener(std::move(fd), where);
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void Fd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Listener::~Listener() {
  if (fd && !address.unix_path.empty()) ::unlink(address.unix_path.c_str());
}

Result<Listener> listen_on(const io::Endpoint& where) {
  if (!where.unix_path.empty()) return listen_unix(where);
  const auto address = numeric_address(where);
  if (!address)
    return fail(Code::invalid_argument,
                fmt::format("cannot listen on {}: the host must be a numeric address or localhost", where.text()));
  Fd fd(::socket(address->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failed("open", where, errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->family() == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), address->get(), address->size) != 0 || ::listen(fd.get(), backlog) != 0)
    return failed("listen on", where, errno);
  io::Endpoint bound = where;
  bound.port = port_of(fd.get());
  return Listener(std::move(fd), bound);
}

Fd accept_one(int listener) {
  Fd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd) set_nodelay(fd.get());  // fails on a UNIX socket, which has no need of it
  return fd;
}

uint16_t port_of(int fd) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&raw), &size);
  if (raw.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(raw).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(raw).sin_port);
}

std::string peer_of(int fd) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&raw), &size) != 0) return "gone";
  if (raw.ss_family == AF_UNIX) return "unix";
  SocketAddress address;
  std::memcpy(&address.raw, &raw, size);
  address.size = size;
  const uint16_t port = raw.ss_family == AF_INET6 ? ntohs(reinterpret_cast<const sockaddr_in6&>(raw).sin6_port)
                                                  : ntohs(reinterpret_cast<const sockaddr_in&>(raw).sin_port);
  return io::Endpoint{.host = address.host(), .port = port, .unix_path = {}}.text();
}

// Wakes a poll when the caller's stop_token is asked to stop.
struct Waiter::Wake {
  explicit Wake(const std::stop_token& token)
      : event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), callback(token, Ring{event.get()}) {}
  struct Ring {
    int fd;
    void operator()() const { ::eventfd_write(fd, 1); }
  };
  Fd event;
  std::stop_callback<Ring> callback;
};

Waiter::Waiter(int64_t timeout_ms, std::stop_token cancel)
    : at_(io::system_clock().mono() + timeout_ms * nanos_per_ms), cancel_(std::move(cancel)) {
  if (cancel_.stop_possible()) wake_ = std::make_unique<Wake>(cancel_);
}
Waiter::~Waiter() = default;

int64_t Waiter::left_ms() const {
  const int64_t left = at_ - io::system_clock().mono();
  return left <= 0 ? 0 : (left + nanos_per_ms - 1) / nanos_per_ms;
}

Status Waiter::check() const {
  if (cancel_.stop_requested()) return fail(Code::unavailable, "cancelled");
  if (left_ms() == 0) return fail(Code::deadline_exceeded, "no answer in time");
  return {};
}

Status Waiter::wait(int fd, short events, short& ready) {
  while (true) {
    pollfd fds[2] = {{fd, events, 0}, {wake_ ? wake_->event.get() : -1, POLLIN, 0}};
    const int timeout = static_cast<int>(std::min<int64_t>(left_ms(), 3'600'000));
    const int count = ::poll(fds, 2, timeout);
    if (count < 0 && errno != EINTR) return fail(Code::internal, fmt::format("poll: {}", errno_text(errno)));
    if (count > 0 && fds[0].revents != 0) {
      ready = fds[0].revents;
      return {};
    }
    HS_TRY(check());
  }
}

Result<Fd> dial(const io::Endpoint& to, Waiter& waiter, const MayDial& may_dial) {
  if (!to.unix_path.empty()) {
    if (may_dial) HS_TRY(may_dial(to.text()));
    return dial_unix(to, waiter);
  }
  HS_ASSIGN(const std::vector<SocketAddress> addresses, resolve(to, waiter));
  Result<Fd> last = fail(Code::unavailable, fmt::format("{} has no address", to.host));
  for (const SocketAddress& address : addresses) {
    if (may_dial) HS_TRY(may_dial(address.host()));
    last = dial_tcp(address, to, waiter);
    if (last || last.error().code == Code::deadline_exceeded) break;
  }
  return last;
}

std::string errno_text(int number) { return std::error_code(number, std::generic_category()).message(); }

}  // namespace hs::net
