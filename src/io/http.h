#pragma once
// Asking others over HTTP, as a blocking call under a deadline. net::HttpClient is the real one; tests bring their own.

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/http_message.h"

namespace hs::io {

// Whom to ask: a TCP address, or a UNIX socket when `unix_path` is set.
struct Endpoint {
  std::string host = {};
  uint16_t port = 0;
  std::string unix_path = {};
  std::string text() const;  // "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock"
  bool operator==(const Endpoint&) const = default;
};

struct Url {
  Endpoint endpoint;
  std::string target = "/";  // path and query as they go on the wire
};

// "http://host[:port][/path][?query]" (also "[::1]" hosts) or "unix:/path/of.sock". Anything else, also user
// information, is refused with the reason; https is not spoken yet.
Result<Url> parse_url(std::string_view text);
// "127.0.0.1:80", "[::1]:80", "localhost:80", "unix:/path/of.sock": the form of the listen.* settings.
Result<Endpoint> parse_endpoint(std::string_view text);

// One request. `body` belongs to the caller, stays valid during the call, and is sent without a copy.
struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";
  http::Headers headers = {};  // Host, Content-Length and Connection are the client's
  std::string_view body = {};
};

struct HttpLimits {
  int64_t timeout_ms = 10'000;               // for all of it: resolve, connect, send, receive
  size_t body_bytes_max = 64 * 1024 * 1024;  // of an answer that is collected (without `sink`): too_large
  // When set, it gets the body of a 2xx answer part by part, and Response::body stays empty; false ends the exchange
  // (Code::conflict). Other answers are collected as usual.
  std::function<bool(std::string_view)> sink = nullptr;
  std::stop_token cancel = {};  // a request to stop ends the call with Code::unavailable
  // When set, it is asked with the numeric address ("127.0.0.1") that is about to be dialled, after any name was
  // resolved. A connection is then never taken from the pool.
  std::function<Status(std::string_view address)> may_dial = nullptr;
};

// Thread-safe. Redirects are answers like any other, never followed.
class Http {
 public:
  virtual ~Http() = default;
  // Any status is a success here. Errors: unavailable (refused, reset, cancelled: whether it was processed is not
  // known), deadline_exceeded, too_large, invalid_argument (a bad request), internal (the other side does not speak
  // HTTP), and whatever `may_dial` says.
  virtual Result<http::Response> request(const Endpoint& to, const HttpRequest& request, const HttpLimits& limits) = 0;
};

}  // namespace hs::io
