#pragma once
// A unary remote call as plain values: what handlers of gRPC methods see. The transport lives in net/ alone.

#include <functional>
#include <map>
#include <stop_token>
#include <string>

#include "base/http_message.h"

namespace hs::rpc {

struct Request {
  std::string method;      // "/package.Service/Method"
  http::Headers metadata;  // names are lower case
  std::string body;        // as received: the compression is NOT undone
  std::string encoding;    // of the body, as Content-Encoding says it: "", "gzip" or "deflate"
  std::string peer;        // "127.0.0.1:5000"
  std::stop_token gone;    // stop is requested when the caller has gone or its deadline has passed
  std::string credential;  // name of the sender's credential, set by the guard; "" when none was asked for
};

// Answers exactly once, on the calling thread or later, from any thread. Dropped uncalled, it answers INTERNAL. An
// error with retry_after_ms > 0 carries google.rpc.RetryInfo, which OTLP clients need in order to retry.
using Done = std::function<void(Result<std::string>)>;
using Handler = std::function<void(Request, Done)>;
using Methods = std::map<std::string, Handler, std::less<>>;  // by full name

}  // namespace hs::rpc
