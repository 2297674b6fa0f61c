#include "net/http_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <mutex>

#include <fmt/format.h>

#include "io/clock.h"
#include "net/http_wire.h"
#include "net/response_parser.h"
#include "net/socket.h"

namespace hs::net {
namespace {

// What is read at once; holds the largest header that the parser accepts.
constexpr size_t buffer_bytes = 64 * 1024;
// A server that sends more interim (1xx) answers than this is not one.
constexpr int interim_max = 16;

Status check_request(const io::HttpRequest& request) {
  const auto is_plain = [](char c) { return c > ' ' && c < 0x7F; };
  if (!request.target.starts_with('/') || !std::all_of(request.target.begin(), request.target.end(), is_plain))
    return fail(Code::invalid_argument, "the target of a request starts with / and is percent-encoded");
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (request.method.empty() || !std::all_of(request.method.begin(), request.method.end(), is_upper))
    return fail(Code::invalid_argument, "the method of a request is a word in capitals");
  return {};
}

bool may_repeat(std::string_view method) {
  constexpr std::string_view methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
  return std::find(std::begin(methods), std::end(methods), method) != std::end(methods);
}

// Nothing to read and not closed: an idle connection that can be used again.
bool still_open(int fd) {
  char byte = 0;
  return ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

// One request and its answer on one connection. Sends and receives at the same time, so that a server that answers
// early (413 in the middle of a large body) is heard.
class Exchange {
 public:
  Exchange(int fd, const io::HttpRequest& request, const io::HttpLimits& limits, Waiter& waiter, std::string head)
      : fd_(fd), request_(request), limits_(limits), waiter_(waiter), head_(std::move(head)) {
    unsent_[0] = {head_.data(), head_.size()};
    unsent_[1] = {const_cast<char*>(request.body.data()), request.body.size()};  // iovec predates const
    parser_.emplace(limits_, request_.method == "HEAD");
  }

  Result<http::Response> run() {
    while (true) {
      if (sending_) send_some();
      short ready = 0;
      HS_TRY(waiter_.wait(fd_, static_cast<short>(sending_ ? POLLIN | POLLOUT : POLLIN), ready));
      if ((ready & (POLLIN | POLLERR | POLLHUP)) == 0) continue;
      HS_ASSIGN(const bool whole, receive_some());
      if (whole) return parser_->take();
      HS_TRY(waiter_.check());  // a server that never pauses must not outrun the deadline
    }
  }
  bool reusable() const { return !sending_ && begin_ == end_ && !closed_ && parser_->done() && parser_->keep_alive(); }
  bool heard_nothing() const { return !heard_; }

 private:
  // Errors of sending show as errors of receiving, after what the server said before it closed.
  void send_some() {
    while (unsent_[1].iov_len > 0 || unsent_[0].iov_len > 0) {
      msghdr message{};
      message.msg_iov = unsent_;
      message.msg_iovlen = 2;
      const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) {
        sending_ = errno == EAGAIN;
        closed_ = !sending_;
        return;
      }
      auto left = static_cast<size_t>(sent);
      for (iovec& part : unsent_) {
        const size_t step = std::min(left, part.iov_len);
        part.iov_base = static_cast<char*>(part.iov_base) + step;
        part.iov_len -= step;
        left -= step;
      }
    }
    sending_ = false;
  }

  // True when the answer is whole.
  Result<bool> receive_some() {
    if (begin_ > 0) {
      std::copy(buffer_.get() + begin_, buffer_.get() + end_, buffer_.get());
      end_ -= std::exchange(begin_, 0);
    }
    if (end_ == buffer_bytes) return fail(Code::internal, "the answer is not valid HTTP: a line without end");
    const ssize_t got = ::recv(fd_, buffer_.get() + end_, buffer_bytes - end_, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got <= 0) {
      closed_ = true;
      if (got < 0) return fail(Code::unavailable, fmt::format("the connection broke: {}", errno_text(errno)));
      HS_TRY(parser_->feed_end());
      return true;
    }
    heard_ = true;
    end_ += static_cast<size_t>(got);
    return parse();
  }

  Result<bool> parse() {
    while (begin_ < end_) {
      HS_ASSIGN(const size_t used, parser_->feed({buffer_.get() + begin_, end_ - begin_}));
      begin_ += used;
      if (!parser_->done()) return false;
      if (!parser_->interim()) return true;
      if (++interims_ > interim_max) return fail(Code::internal, "the answer is not valid HTTP: only interim answers");
      parser_.emplace(limits_, request_.method == "HEAD");
    }
    return false;
  }

  int fd_;
  const io::HttpRequest& request_;
  const io::HttpLimits& limits_;
  Waiter& waiter_;
  std::string head_;
  iovec unsent_[2] = {};
  std::optional<ResponseParser> parser_;
  std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(buffer_bytes);
  size_t begin_ = 0, end_ = 0;
  int interims_ = 0;
  bool sending_ = true, closed_ = false, heard_ = false;
};

}  // namespace

// Idle connections, newest last.
class HttpClient::Pool {
 public:
  explicit Pool(HttpClientOptions options) : options_(options) {}

  Fd take(const io::Endpoint& to) {
    const std::lock_guard lock(mutex_);
    drop_old();
    for (auto one = idle_.rbegin(); one != idle_.rend(); ++one)
      if (one->to == to) {
        Fd fd = std::move(one->fd);
        idle_.erase(std::next(one).base());
        if (still_open(fd.get())) return fd;
        return take_none_of(to);  // its server has closed: so it did with the others
      }
    return {};
  }
  void keep(const io::Endpoint& to, Fd fd) {
    const std::lock_guard lock(mutex_);
    drop_old();
    const auto same = std::count_if(idle_.begin(), idle_.end(), [&](const Idle& i) { return i.to == to; });
    if (static_cast<size_t>(same) >= options_.idle_per_endpoint_max) return;
    if (idle_.size() >= options_.idle_max) idle_.pop_front();
    idle_.push_back({to, std::move(fd), io::system_clock().mono()});
  }
  size_t size() const {
    const std::lock_guard lock(mutex_);
    return idle_.size();
  }

 private:
  struct Idle {
    io::Endpoint to;
    Fd fd;
    MonoNanos since;
  };
  Fd take_none_of(const io::Endpoint& to) {
    idle_.remove_if([&](const Idle& i) { return i.to == to; });
    return {};
  }
  void drop_old() {
    const MonoNanos oldest = io::system_clock().mono() - options_.idle_max_ms * nanos_per_ms;
    idle_.remove_if([&](const Idle& i) { return i.since < oldest; });
  }

  const HttpClientOptions options_;
  mutable std::mutex mutex_;
  std::list<Idle> idle_;
};

HttpClient::HttpClient(HttpClientOptions options) : pool_(std::make_unique<Pool>(options)) {}
HttpClient::~HttpClient() = default;
size_t HttpClient::idle_connections() const { return pool_->size(); }

Result<http::Response> HttpClient::request(const io::Endpoint& to, const io::HttpRequest& request,
                                           const io::HttpLimits& limits) {
  HS_TRY(check_request(request));
  Waiter waiter(limits.timeout_ms, limits.cancel);
  Fd fd = limits.may_dial ? Fd() : pool_->take(to);
  const std::string host = to.unix_path.empty() ? to.text() : "localhost";
  const std::string head = request_head(request.method, request.target, host, request.headers, request.body.size());
  for (bool pooled = static_cast<bool>(fd);; pooled = false) {
    if (!fd) {
      HS_ASSIGN(fd, dial(to, waiter, limits.may_dial));
    }
    Exchange exchange(fd.get(), request, limits, waiter, head);
    auto response = exchange.run();
    if (response && exchange.reusable() && !limits.may_dial) pool_->keep(to, std::move(fd));
    const bool stale = !response && pooled && exchange.heard_nothing() && response.error().code == Code::unavailable;
    if (!stale || !may_repeat(request.method) || !waiter.check()) {
      if (!response) response.error().message = fmt::format("{}: {}", to.text(), response.error().message);
      return response;
    }
    fd.reset();
  }
}

}  // namespace hs::net
