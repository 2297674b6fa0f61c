#pragma once
// An HTTP exchange as plain values: what handlers see. Sockets, parsing and TLS live in net/ alone.

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace hs::http {

// Header names compare without case.
struct Headers {
  std::vector<std::pair<std::string, std::string>> items;
  // The first value of `name`, "" when absent.
  std::string_view get(std::string_view name) const;
  void set(std::string_view name, std::string_view value);  // replaces
};

struct Request {
  std::string method;                                      // upper case
  std::string path;                                        // decoded, without the query; "/v1/traces"
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  Headers headers;
  std::string body;  // as received: Content-Encoding is NOT undone
  std::string peer;  // "127.0.0.1:5000", or "unix"
  // Stop is requested when the client goes away before it has its whole answer: long work looks at it and gives up.
  std::stop_token gone;
  std::vector<std::pair<std::string, std::string>> params;  // filled by the router: {name} of the route's pattern
  std::string credential;  // name of the sender's credential, set by security::guard; "" when none was asked for

  std::string_view query_value(std::string_view name, std::string_view fallback = "") const;
  std::string_view param(std::string_view name) const;  // "" when the pattern has none of this name
};

// A body that is made while it is sent: large results, live feeds. The server asks for the next piece when the one
// before is out (so a slow client slows the source down), and destroys the source when it is done with it.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // Calls `ready` exactly once, now or later, on any thread, with the next piece; an empty piece is the end. An error
  // breaks the connection: the client must see a torn body, never a short one.
  virtual void next(std::function<void(Result<std::string>)> ready) = 0;
};

struct Response {
  int status = 200;
  Headers headers = {};
  std::string body = {};
  std::shared_ptr<BodySource> stream = nullptr;  // when set: `body`, then these pieces, chunked

  static Response text(int status, std::string body);
  static Response json(int status, std::string body);
  static Response html(int status, std::string body);
  // {"error":{"code":"...","message":"..."}} with the code's status, and Retry-After when the error has one.
  static Response error(const Error& error);
};

// A handler may answer on the calling thread or later, from any thread, exactly once. It runs on a connection's thread
// and must not block there. A Done that is dropped uncalled answers 500.
using Done = std::function<void(Response)>;
using Handler = std::function<void(Request, Done)>;
// Wraps a function that answers at once.
Handler answer(std::function<Response(const Request&)> f);

// A handler's address. `pattern` is an exact path; a segment "{name}" matches any one segment, and "{name...}" as the
// last one matches all that is left, slashes included (also nothing). Literal segments win over {name}, {name} over
// {name...}. GET answers HEAD too.
struct Route {
  std::string method, pattern;
  Handler handler;
};
using Routes = std::vector<Route>;

// Percent-decoding of a path or query part; '+' is a space only in queries. Invalid escapes are an error.
Result<std::string> url_decode(std::string_view text, bool plus_is_space);
std::string url_encode(std::string_view text);
Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view text);

}  // namespace hs::http
