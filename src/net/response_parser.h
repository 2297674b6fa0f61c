#pragma once
// HTTP/1 bytes to http::Response, on Beast's parser. No sockets: the client feeds it.

#include <optional>
#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include "io/http.h"

namespace hs::net {

// Parses one final answer (1xx are skipped by the client, which makes a new parser). Not thread-safe.
class ResponseParser final : private boost::beast::http::basic_parser<false> {
  using Base = boost::beast::http::basic_parser<false>;

 public:
  // `limits` must outlive it. `no_body`: the answer to HEAD.
  ResponseParser(const io::HttpLimits& limits, bool no_body);

  // Consumes what it can of `bytes` and says how much.
  Result<size_t> feed(std::string_view bytes);
  // The other side has closed: the end of the body, or a torn one.
  Status feed_end();

  bool done() const { return Base::is_done(); }
  bool keep_alive() const { return Base::keep_alive(); }
  bool interim() const { return response_.status / 100 == 1; }
  http::Response take() { return std::move(response_); }

 private:
  using Error = boost::beast::error_code;
  using Text = boost::beast::string_view;
  void on_request_impl(boost::beast::http::verb, Text, Text, int, Error&) override {}
  void on_response_impl(int code, Text reason, int version, Error& ec) override;
  void on_field_impl(boost::beast::http::field field, Text name, Text value, Error& ec) override;
  void on_header_impl(Error&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const& length, Error& ec) override;
  std::size_t on_body_impl(Text body, Error& ec) override;
  void on_chunk_header_impl(std::uint64_t, Text, Error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text body, Error& ec) override;
  void on_finish_impl(Error&) override {}

  tl::unexpected<hs::Error> error_of(const Error& ec) const;

  const io::HttpLimits& limits_;
  http::Response response_;
  std::optional<hs::Error> refused_;
};

}  // namespace hs::net
