#pragma once
// Messages out of a TCP stream, RFC 6587: octet counting ("42 <34>1 ...") and lines, found out for each frame. A length
// is believed when a priority follows it, or when the frame before had a length too: a session has one framing.
// Not thread-safe: one per connection.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hs::wire::syslog {

class Framer {
 public:
  // Longer messages are cut at this length; the rest is skipped and the next message is found again.
  explicit Framer(size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}

  void add(std::string_view bytes);
  // The next whole message, without its framing; false when more bytes are needed. With `last` (the sender has closed)
  // what is left is a message too. `frame` is valid until the next call of add() or next().
  bool next(std::string_view& frame, bool last = false);

  uint64_t cut() const { return cut_; }  // messages that were longer than the bound
  size_t waiting_bytes() const { return buffer_.size() - begin_; }

 private:
  enum class Found : uint8_t { frame, skipped, need_more };
  Found find(std::string_view& frame, bool last);
  Found counted(std::string_view rest, size_t header, uint64_t length, std::string_view& frame, bool last);
  Found line(std::string_view rest, std::string_view& frame, bool last);

  const size_t frame_bytes_max_;
  std::string buffer_;
  size_t begin_ = 0;          // of what is not used yet in buffer_
  uint64_t skip_octets_ = 0;  // of a counted message that was cut
  bool skip_line_ = false;    // the rest of a line that was cut
  bool was_counted_ = false;  // the frame before this one
  uint64_t cut_ = 0;
};

}  // namespace hs::wire::syslog
