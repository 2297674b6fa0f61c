#include "wire/syslog/framer.h"

#include <algorithm>

namespace hs::wire::syslog {
namespace {

constexpr size_t length_digits_max = 9;  // a gigabyte; longer numbers are text

// "LENGTH SP", of `header` bytes; unless `sure`, a priority must follow. unsure: more bytes would tell.
enum class Counted : uint8_t { no, yes, unsure };
Counted read_length(std::string_view rest, bool sure, size_t& header, uint64_t& length) {
  size_t at = 0;
  length = 0;
  while (at < rest.size() && at < length_digits_max && rest[at] >= '0' && rest[at] <= '9')
    length = length * 10 + static_cast<uint64_t>(rest[at++] - '0');
  if (at == 0 || rest[0] == '0') return Counted::no;
  header = at + 1;
  if (at == rest.size()) return Counted::unsure;
  if (rest[at] != ' ') return Counted::no;
  if (sure) return Counted::yes;
  if (header == rest.size()) return Counted::unsure;
  return rest[header] == '<' ? Counted::yes : Counted::no;
}

// Senders end even counted messages with a line feed, and lines with CR or NUL.
std::string_view trimmed(std::string_view frame) {
  while (!frame.empty() && (frame.back() == '\n' || frame.back() == '\r' || frame.back() == '\0'))
    frame.remove_suffix(1);
  return frame;
}

}  // namespace

void Framer::add(std::string_view bytes) {
  buffer_.erase(0, begin_);
  begin_ = 0;
  buffer_.append(bytes);
}

bool Framer::next(std::string_view& frame, bool last) {
  while (true) {
    switch (find(frame, last)) {
      case Found::frame:
        frame = trimmed(frame);
        if (!frame.empty()) return true;
        break;
      case Found::skipped:
        break;
      case Found::need_more:
        return false;
    }
  }
}

Framer::Found Framer::find(std::string_view& frame, bool last) {
  if (skip_octets_ > 0) {
    const auto skip = static_cast<size_t>(std::min<uint64_t>(skip_octets_, waiting_bytes()));
    begin_ += skip;
    skip_octets_ -= skip;
    if (skip_octets_ > 0) return Found::need_more;
  }
  const std::string_view rest = std::string_view(buffer_).substr(begin_);
  if (rest.empty()) return Found::need_more;
  if (skip_line_) {
    const size_t end = rest.find('\n');
    begin_ += end == rest.npos ? rest.size() : end + 1;
    skip_line_ = end == rest.npos;
    return skip_line_ ? Found::need_more : Found::skipped;
  }
  size_t header = 0;
  uint64_t length = 0;
  switch (read_length(rest, was_counted_, header, length)) {
    case Counted::yes:
      return counted(rest, header, length, frame, last);
    case Counted::unsure:
      if (!last) return Found::need_more;
      break;
    case Counted::no:
      break;
  }
  return line(rest, frame, last);
}

Framer::Found Framer::counted(std::string_view rest, size_t header, uint64_t length, std::string_view& frame,
                              bool last) {
  const auto wanted = static_cast<size_t>(std::min<uint64_t>(length, frame_bytes_max_));
  if (rest.size() < header + wanted && !last) return Found::need_more;
  frame = rest.substr(header, wanted);
  begin_ += header + frame.size();
  was_counted_ = true;
  if (length > frame_bytes_max_) {
    ++cut_;
    skip_octets_ = length - wanted;
  }
  return Found::frame;
}

Framer::Found Framer::line(std::string_view rest, std::string_view& frame, bool last) {
  was_counted_ = false;
  const size_t end = rest.substr(0, frame_bytes_max_ + 1).find('\n');
  if (end != rest.npos) {
    frame = rest.substr(0, end);
    begin_ += end + 1;
    return Found::frame;
  }
  if (rest.size() > frame_bytes_max_) {
    ++cut_;
    frame = rest.substr(0, frame_bytes_max_);
    begin_ += frame.size();
    skip_line_ = true;
    return Found::frame;
  }
  if (!last) return Found::need_more;
  frame = rest;
  begin_ += rest.size();
  return Found::frame;
}

}  // namespace hs::wire::syslog
