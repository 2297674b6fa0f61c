#include "net/request_parser.h"

#include <algorithm>

#include <fmt/format.h>
#include <boost/beast/http/error.hpp>

namespace hs::net {
namespace {

namespace bhttp = boost::beast::http;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool same_text(std::string_view a, std::string_view b) {
  return boost::beast::iequals(boost::beast::string_view(a.data(), a.size()),
                               boost::beast::string_view(b.data(), b.size()));
}

}  // namespace

Status parse_target(std::string_view target, http::Request& into) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (target.starts_with(scheme)) {
      const size_t slash = target.find_first_of("/?", scheme.size());
      target = slash == std::string_view::npos ? "/" : target.substr(slash);
    }
  const size_t question = std::min(target.find('?'), target.size());
  HS_ASSIGN(into.path, http::url_decode(target.substr(0, question), false));
  if (into.path.empty()) into.path = "/";
  if (into.path.find('\0') != std::string::npos) return fail(Code::invalid_argument, "the path has a NUL byte");
  HS_ASSIGN(into.query, http::parse_query(target.substr(std::min(question + 1, target.size()))));
  return {};
}

RequestParser::RequestParser(size_t body_bytes_max, size_t body_reserve_bytes_max)
    : body_bytes_max_(body_bytes_max), body_reserve_bytes_max_(body_reserve_bytes_max) {
  Base::header_limit(header_bytes_max);
  Base::body_limit(body_bytes_max);
}

Result<size_t> RequestParser::feed(std::string_view bytes) {
  const bool had_header = header_done();
  size_t used = 0;
  while (!done() && used < bytes.size() && header_done() == had_header) {
    boost::beast::error_code ec;
    used += Base::put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), ec);
    if (ec == bhttp::error::need_more) break;
    if (ec) return tl::unexpected(error_of(ec));
  }
  if (header_done() && !had_header) Base::eager(true);
  return used;
}

void RequestParser::refuse(Code code, std::string message, Error& ec) {
  refused_ = hs::Error{code, std::move(message), 0};
  ec = bhttp::error::bad_field;
}

hs::Error RequestParser::error_of(const Error& ec) const {
  if (refused_) return *refused_;
  if (ec == bhttp::error::body_limit)
    return {Code::too_large, fmt::format("the body is larger than {} bytes", body_bytes_max_), 0};
  if (ec == bhttp::error::header_limit)
    return {Code::too_large, fmt::format("the header is larger than {} bytes", header_bytes_max), 0};
  return {Code::invalid_argument, fmt::format("this is not a valid HTTP/1.1 request: {}", ec.message()), 0};
}

void RequestParser::on_request_impl(bhttp::verb, Text method, Text target, int version, Error& ec) {
  request_.method = view(method);
  version_ = version;
  is_head_ = request_.method == "HEAD";
  if (const Status parsed = net::parse_target(view(target), request_); !parsed)
    refuse(parsed.error().code, parsed.error().message, ec);
}

void RequestParser::on_field_impl(bhttp::field field, Text name, Text value, Error& ec) {
  if (header_done()) return;  // trailers must not change what was decided on the header
  if (field == bhttp::field::host) ++hosts_;
  // Only "chunked" is understood; anything else would leave the end of the body to guesswork (request smuggling).
  if (field == bhttp::field::transfer_encoding && !same_text(view(value), "chunked"))
    return refuse(Code::invalid_argument, "only the transfer encoding \"chunked\" is accepted", ec);
  if (field == bhttp::field::expect) {
    if (!same_text(view(value), "100-continue"))
      return refuse(Code::invalid_argument, "only the expectation \"100-continue\" is known", ec);
    expects_continue_ = is_http11();
  }
  request_.headers.items.emplace_back(view(name), view(value));
}

void RequestParser::on_header_impl(Error& ec) {
  if (is_http11() && hosts_ != 1) refuse(Code::invalid_argument, "a request has exactly one Host header", ec);
}

void RequestParser::on_body_init_impl(boost::optional<std::uint64_t> const& length, Error&) {
  if (length) request_.body.reserve(static_cast<size_t>(std::min<uint64_t>(*length, body_reserve_bytes_max_)));
}

std::size_t RequestParser::on_body_impl(Text body, Error&) {
  request_.body.append(body.data(), body.size());
  return body.size();
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, Text body, Error& ec) { return on_body_impl(body, ec); }

}  // namespace hs::net
