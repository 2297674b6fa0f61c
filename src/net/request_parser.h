#pragma once
// HTTP/1 bytes to http::Request, on Beast's parser. No sockets: the session feeds it.

#include <cstdint>
#include <optional>
#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include "base/http_message.h"

namespace hs::net {

// A request line and its headers, together. Every proxy in common use stays below 8 KiB by default; twice that leaves
// room for a long query in a GET.
inline constexpr uint32_t header_bytes_max = 16 * 1024;

// Parses one request. Not thread-safe.
class RequestParser final : private boost::beast::http::basic_parser<true> {
  using Base = boost::beast::http::basic_parser<true>;

 public:
  RequestParser(size_t body_bytes_max, size_t body_reserve_bytes_max);

  // Consumes what it can of `bytes` and says how much. Stops after the header once, so that the caller can look at it.
  // An error is final: it is the answer to the client, after which the connection cannot go on.
  Result<size_t> feed(std::string_view bytes);

  bool header_done() const { return Base::is_header_done(); }
  bool done() const { return Base::is_done(); }
  bool keep_alive() const { return Base::keep_alive(); }
  bool is_http11() const { return version_ >= 11; }
  bool expects_continue() const { return expects_continue_; }
  size_t body_bytes() const { return request_.body.size(); }
  bool is_head() const { return is_head_; }
  http::Request take() { return std::move(request_); }

 private:
  using Error = boost::beast::error_code;
  using Text = boost::beast::string_view;
  void on_request_impl(boost::beast::http::verb, Text method, Text target, int version, Error& ec) override;
  void on_response_impl(int, Text, int, Error&) override {}
  void on_field_impl(boost::beast::http::field field, Text name, Text value, Error& ec) override;
  void on_header_impl(Error& ec) override;
  void on_body_init_impl(boost::optional<std::uint64_t> const& length, Error& ec) override;
  std::size_t on_body_impl(Text body, Error& ec) override;
  void on_chunk_header_impl(std::uint64_t, Text, Error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text body, Error& ec) override;
  void on_finish_impl(Error&) override {}

  void refuse(Code code, std::string message, Error& ec);
  hs::Error error_of(const Error& ec) const;

  size_t body_bytes_max_, body_reserve_bytes_max_;
  http::Request request_;
  int version_ = 11;
  int hosts_ = 0;
  bool is_head_ = false, expects_continue_ = false;
  std::optional<hs::Error> refused_;  // what a callback found wrong
};

// "/a%20b?x=1" (or "http://host/a") to path and query.
Status parse_target(std::string_view target, http::Request& into);

}  // namespace hs::net
