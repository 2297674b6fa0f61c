#pragma once
// HTTP/1 messages to bytes. Pure.

#include <string>
#include <string_view>

#include "base/http_message.h"
#include "base/time.h"

namespace hs::net {

// How an answer's body is delimited on the wire.
enum class Framing { length, chunked, until_close };

// Status line and headers, with the blank line. Connection, Content-Length, Transfer-Encoding and Date are ours: a
// handler's are left out, and so is a header whose name or value could break out of its line.
std::string answer_head(const http::Response& response, Framing framing, bool keep_alive, UnixNanos now);
// Request line and headers, with the blank line.
std::string request_head(std::string_view method, std::string_view target, std::string_view host,
                         const http::Headers& headers, size_t body_bytes);
std::string_view reason_of(int status);
// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(UnixNanos t);
// Whether such an answer has a body at all.
bool may_have_body(int status);

}  // namespace hs::net
