#include "net/response_parser.h"

#include <algorithm>

#include <fmt/format.h>
#include <boost/beast/http/error.hpp>

namespace hs::net {
namespace {

namespace bhttp = boost::beast::http;

// Servers send more in headers than clients do (cookies, policies); the read buffer holds as much.
constexpr uint32_t answer_header_bytes_max = 48 * 1024;
constexpr uint64_t body_reserve_max = 4 * 1024 * 1024;

}  // namespace

ResponseParser::ResponseParser(const io::HttpLimits& limits, bool no_body) : limits_(limits) {
  Base::header_limit(answer_header_bytes_max);
  Base::body_limit(boost::none);  // ours: a sink has none
  Base::eager(true);
  Base::skip(no_body);
}

Result<size_t> ResponseParser::feed(std::string_view bytes) {
  size_t used = 0;
  while (!done() && used < bytes.size()) {
    boost::beast::error_code ec;
    used += Base::put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), ec);
    if (ec == bhttp::error::need_more) break;
    if (ec) return error_of(ec);
  }
  return used;
}

Status ResponseParser::feed_end() {
  if (!Base::got_some()) return fail(Code::unavailable, "the connection was closed before an answer came");
  boost::beast::error_code ec;
  if (Base::is_header_done()) Base::put_eof(ec);
  if (ec || !Base::is_header_done())
    return fail(Code::unavailable, "the connection was closed in the middle of an answer");
  return {};
}

tl::unexpected<Error> ResponseParser::error_of(const Error& ec) const {
  if (refused_) return tl::unexpected(*refused_);
  return fail(Code::internal, fmt::format("the answer is not valid HTTP: {}", ec.message()));
}

void ResponseParser::on_response_impl(int code, Text, int, Error&) { response_.status = code; }

void ResponseParser::on_field_impl(bhttp::field, Text name, Text value, Error&) {
  if (!Base::is_header_done())
    response_.headers.items.emplace_back(std::string(name.data(), name.size()),
                                         std::string(value.data(), value.size()));
}

void ResponseParser::on_body_init_impl(boost::optional<std::uint64_t> const& length, Error&) {
  const uint64_t most = std::min<uint64_t>(body_reserve_max, limits_.body_bytes_max);
  if (length && !limits_.sink) response_.body.reserve(static_cast<size_t>(std::min(*length, most)));
}

std::size_t ResponseParser::on_body_impl(Text body, Error& ec) {
  if (limits_.sink && response_.status / 100 == 2) {
    if (!body.empty() && !limits_.sink({body.data(), body.size()})) {
      refused_ = {Code::conflict, "the caller wants no more of the answer", 0};
      ec = bhttp::error::body_limit;
    }
  } else if (body.size() > limits_.body_bytes_max - response_.body.size()) {
    refused_ = {Code::too_large, fmt::format("the answer is larger than {} bytes", limits_.body_bytes_max), 0};
    ec = bhttp::error::body_limit;
  } else {
    response_.body.append(body.data(), body.size());
  }
  return body.size();
}

std::size_t ResponseParser::on_chunk_body_impl(std::uint64_t, Text body, Error& ec) { return on_body_impl(body, ec); }

}  // namespace hs::net
