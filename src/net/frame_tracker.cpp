#include "net/frame_tracker.h"

#include <boost/beast/http/error.hpp>

namespace hs::net {

template <bool is_request>
Result<size_t> FrameTracker<is_request>::feed(std::string_view bytes) {
  size_t used = 0;
  while (!done() && used < bytes.size()) {
    boost::beast::error_code ec;
    used += Base::put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), ec);
    if (ec == boost::beast::http::error::need_more) break;
    if (ec) return fail(Code::invalid_argument, ec.message());
  }
  return used;
}

template class FrameTracker<true>;
template class FrameTracker<false>;

}  // namespace hs::net
