#pragma once
// For tests: a raw client that says exactly what it is told, and waits as long as it takes (the test runner has the
// time limit).

#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "net/socket.h"

namespace hs::net {

class RawClient {
 public:
  explicit RawClient(const io::Endpoint& to) {
    Waiter waiter(10'000, {});
    auto fd = dial(to, waiter, nullptr);
    EXPECT_TRUE(fd) << fd.error().message;
    if (fd) fd_ = std::move(*fd);
  }

  // False when the other side is gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) {
        wait(POLLOUT);
        continue;
      }
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // Reads until `mark` has come `times` times, or the end.
  std::string read_until(std::string_view mark, int times = 1) {
    while (count(mark) < times && read_some()) {
    }
    return got_;
  }
  std::string read_to_end() {
    while (read_some()) {
    }
    return got_;
  }
  // One more piece; false at the end or a reset.
  bool read_some() {
    char part[16384];
    wait(POLLIN);
    const ssize_t n = ::recv(fd_.get(), part, sizeof part, 0);
    if (n <= 0) {
      reset_ = n < 0;
      return false;
    }
    got_.append(part, static_cast<size_t>(n));
    return true;
  }
  int count(std::string_view mark) const {
    int n = 0;
    for (size_t at = got_.find(mark); at != std::string::npos; at = got_.find(mark, at + mark.size())) ++n;
    return n;
  }
  bool was_reset() const { return reset_; }
  void half_close() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }

 private:
  void wait(short events) {
    pollfd one{fd_.get(), events, 0};
    ::poll(&one, 1, -1);
  }
  Fd fd_;
  std::string got_;
  bool reset_ = false;
};

}  // namespace hs::net
