#pragma once
// What net/ uses of Asio, under short names. Only net/ includes this.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace hs::net {

namespace asio = boost::asio;
using boost::system::error_code;

// TCP and UNIX sockets behind one type: one instantiation of everything. TLS goes on top (net/tls_connection.h).
using Socket = asio::generic::stream_protocol::socket;
// `auto [ec, n] = co_await ...`: errors are values.
inline constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);

}  // namespace hs::net
