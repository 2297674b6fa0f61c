#pragma once
// Finds where an HTTP/1 message ends, without keeping it: for passing bytes on as they are.

#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include "base/error.h"

namespace hs::net {

// Larger headers than any server takes: the proxy must not be the one that refuses.
inline constexpr uint32_t tracked_header_bytes_max = 128 * 1024;

template <bool is_request>
class FrameTracker final : private boost::beast::http::basic_parser<is_request> {
  using Base = boost::beast::http::basic_parser<is_request>;
  using Ec = boost::beast::error_code;
  using Text = boost::beast::string_view;

 public:
  explicit FrameTracker(bool no_body = false) {
    Base::header_limit(tracked_header_bytes_max);
    Base::body_limit(boost::none);
    Base::eager(true);
    Base::skip(no_body);
  }
  // How many of `bytes` belong to the message and are understood so far; the rest must be given again with more.
  // An error: this is not HTTP/1.
  Result<size_t> feed(std::string_view bytes);
  bool header_done() const { return Base::is_header_done(); }
  bool done() const { return Base::is_done(); }
  bool keep_alive() const { return Base::keep_alive(); }
  bool until_end() const { return Base::need_eof(); }  // the body ends with the connection
  bool is_head() const { return is_head_; }
  bool expects_continue() const { return expects_continue_; }
  int status() const { return status_; }

 private:
  void on_request_impl(boost::beast::http::verb verb, Text, Text, int, Ec&) override {
    is_head_ = verb == boost::beast::http::verb::head;
  }
  void on_response_impl(int code, Text, int, Ec&) override { status_ = code; }
  void on_field_impl(boost::beast::http::field field, Text, Text, Ec&) override {
    if (field == boost::beast::http::field::expect) expects_continue_ = true;
  }
  void on_header_impl(Ec&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, Ec&) override {}
  std::size_t on_body_impl(Text body, Ec&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, Text, Ec&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text body, Ec&) override { return body.size(); }
  void on_finish_impl(Ec&) override {}

  int status_ = 0;
  bool is_head_ = false, expects_continue_ = false;
};

using RequestTracker = FrameTracker<true>;
using ResponseTracker = FrameTracker<false>;

}  // namespace hs::net
