#include "wire/syslog/message.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace hs::wire::syslog {
namespace {

constexpr int64_t day_s = 86'400;
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// Reads from the front of a text.
struct Cursor {
  std::string_view left;

  bool take(char c) {
    if (left.empty() || left.front() != c) return false;
    left.remove_prefix(1);
    return true;
  }
  // Up to the next space or the end.
  std::string_view word() {
    const std::string_view w = left.substr(0, left.find(' '));
    left.remove_prefix(w.size());
    return w;
  }
  // A number of `min` to `max` digits.
  bool number(size_t min, size_t max, int64_t& out) {
    size_t n = 0;
    out = 0;
    while (n < max && n < left.size() && left[n] >= '0' && left[n] <= '9') out = out * 10 + (left[n++] - '0');
    left.remove_prefix(n);
    return n >= min;
  }
  void blanks() {
    while (take(' ')) {
    }
  }
};

// Days since 1970 of a date of the Gregorian calendar.
int64_t days_from_civil(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t of_era = year - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

bool is_leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

bool is_date(int64_t year, int64_t month, int64_t day) {
  constexpr std::array<int64_t, 12> days = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1 || day > days[static_cast<size_t>(month - 1)]) return false;
  return month != 2 || day < 29 || is_leap(year);
}

// "HH:MM:SS", with a fraction of up to `fraction_max` digits -> nanoseconds of the day.
bool read_clock(Cursor& in, size_t fraction_max, int64_t& nanos) {
  int64_t h = 0;
  int64_t m = 0;
  int64_t s = 0;
  if (!in.number(2, 2, h) || !in.take(':') || !in.number(2, 2, m) || !in.take(':') || !in.number(2, 2, s)) return false;
  if (h > 23 || m > 59 || s > 59) return false;
  int64_t fraction = 0;
  if (in.take('.')) {
    const size_t before = in.left.size();
    if (!in.number(1, fraction_max, fraction)) return false;
    for (size_t digits = before - in.left.size(); digits < 9; ++digits) fraction *= 10;
  }
  nanos = (h * 3600 + m * 60 + s) * nanos_per_s + fraction;
  return true;
}

// "Z" or "+hh:mm" -> seconds east.
bool read_offset(Cursor& in, int64_t& seconds) {
  seconds = 0;
  if (in.take('Z')) return true;
  const int64_t sign = in.take('+') ? 1 : -1;
  if (sign < 0 && !in.take('-')) return false;
  int64_t h = 0;
  int64_t m = 0;
  if (!in.number(2, 2, h) || !in.take(':') || !in.number(2, 2, m) || h > 23 || m > 59) return false;
  seconds = sign * (h * 3600 + m * 60);
  return true;
}

// RFC 5424 6.2.3: RFC 3339 with capital T and Z, and at most `fraction_max` digits of a fraction.
bool read_rfc3339(std::string_view word, size_t fraction_max, UnixNanos& time) {
  Cursor in{word};
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
  int64_t clock = 0;
  int64_t offset = 0;
  const bool read = in.number(4, 4, year) && in.take('-') && in.number(2, 2, month) && in.take('-') &&
                    in.number(2, 2, day) && in.take('T') && read_clock(in, fraction_max, clock) &&
                    read_offset(in, offset) && in.left.empty();
  if (!read || !is_date(year, month, day) || year < 1970 || year > 2261) return false;
  time = (days_from_civil(year, month, day) * day_s - offset) * nanos_per_s + clock;
  return true;
}

// "Oct 11 22:14:15", also with a year behind the day and a fraction. Without a year: the last such moment that is not
// more than a day after `received` (clocks differ, and so do zones).
bool read_rfc3164_time(Cursor& in, const ParseContext& context, UnixNanos& time) {
  constexpr std::string_view names = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const size_t at = names.find(in.left.substr(0, 3));
  if (in.left.size() < 3 || at == names.npos || at % 3 != 0) return false;
  const auto month = static_cast<int64_t>(at / 3 + 1);
  in.left.remove_prefix(3);
  int64_t day = 0;
  int64_t year = 0;
  int64_t clock = 0;
  if (!in.take(' ')) return false;
  in.blanks();
  if (!in.number(1, 2, day) || !in.take(' ')) return false;
  Cursor with_year = in;
  const bool told = with_year.number(4, 4, year) && with_year.take(' ');
  if (told) in = with_year;
  if (!read_clock(in, 9, clock)) return false;
  const auto moment = [&](int64_t y) {
    return (days_from_civil(y, month, day) * day_s - context.utc_offset_s) * nanos_per_s + clock;
  };
  if (!told) {
    year = 1970 + context.received / nanos_per_s / 31'556'952 +
           1;  // of a mean Gregorian year, so that it is not too small
    while (year > 1970 && (!is_date(year, month, day) || moment(year) > context.received + day_s * nanos_per_s)) --year;
  }
  if (!is_date(year, month, day) || year < 1970 || year > 2261) return false;
  time = moment(year);
  return true;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// A word of the header of RFC 5424: "-" is "", and what is too long or not printable is an error.
bool read_field(Cursor& in, size_t bytes_max, std::string_view& out) {
  out = in.word();
  if (out.empty() || out.size() > bytes_max || !is_printable(out)) return false;
  if (out == "-") out = {};
  return true;
}

bool read_sd_name(Cursor& in, std::string_view& name) {
  const size_t end = in.left.find_first_of("= ]\"");
  name = in.left.substr(0, end);
  in.left.remove_prefix(name.size());
  return !name.empty() && name.size() <= 32 && is_printable(name);
}

// Behind the opening quote: up to the closing one. `\"`, `\\` and `\]` are escapes, any other backslash is itself.
bool read_sd_value(Cursor& in, std::string& value) {
  constexpr std::string_view escapable = "\"\\]";
  for (size_t i = 0; i < in.left.size(); ++i) {
    const char c = in.left[i];
    if (c == '"') {
      in.left.remove_prefix(i + 1);
      return true;
    }
    const bool escaped = c == '\\' && i + 1 < in.left.size() && escapable.find(in.left[i + 1]) != escapable.npos;
    if (escaped) ++i;
    value.push_back(in.left[i]);
  }
  return false;
}

// One "[id name="value" ...]".
bool read_sd_element(Cursor& in, std::vector<Parameter>& out) {
  std::string_view id;
  if (!read_sd_name(in, id)) return false;
  const auto keep = [&](std::string_view name, std::string value) {
    if (out.size() < parameters_max) out.push_back({id, name, std::move(value)});
  };
  if (in.take(']')) {
    keep({}, {});
    return true;
  }
  while (!in.take(']')) {
    std::string_view name;
    std::string value;
    if (!in.take(' ') || !read_sd_name(in, name) || !in.take('=') || !in.take('"') || !read_sd_value(in, value))
      return false;
    keep(name, std::move(value));
  }
  return true;
}

bool read_structured_data(Cursor& in, std::vector<Parameter>& out) {
  if (in.take('-')) return true;
  if (in.left.empty() || in.left.front() != '[') return false;
  while (in.take('['))
    if (!read_sd_element(in, out)) return false;
  return true;
}

void strip_mark(std::string_view& text) {
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
}

// Behind the priority: "1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID SD [SP MSG]".
bool read_rfc5424(std::string_view rest, Message& m) {
  Cursor in{rest};
  int64_t version = 0;
  if (in.left.starts_with('0') || !in.number(1, 3, version) || !in.take(' ')) return false;
  const std::string_view time = in.word();
  if (time != "-" && !read_rfc3339(time, 6, m.time)) return false;
  const auto field = [&](size_t bytes_max, std::string_view& out) {
    return in.take(' ') && read_field(in, bytes_max, out);
  };
  if (!field(255, m.host) || !field(48, m.app) || !field(128, m.process) || !field(32, m.message_id)) return false;
  if (!in.take(' ') || !read_structured_data(in, m.parameters)) return false;
  if (!in.left.empty() && !in.take(' ')) return false;
  m.version = static_cast<uint16_t>(version);
  m.text = in.left;
  strip_mark(m.text);
  return true;
}

// "TAG: text", "TAG[PID]: text" -> app, process, text; without the space the tag stays in the text. A tag has no space
// and is not an address of IPv6.
void read_tag(std::string_view content, Message& m) {
  constexpr size_t tag_bytes_max = 128;  // the RFC says 32; paths and units of systemd are longer
  m.text = content;
  const size_t end = content.substr(0, tag_bytes_max).find_first_of(":[ ");
  if (end == content.npos || end == 0 || content[end] == ' ') return;
  std::string_view process;
  size_t after = end;
  if (content[end] == '[') {
    const size_t close = content.find(']', end);
    if (close == content.npos || close - end > tag_bytes_max) return;
    process = content.substr(end + 1, close - end - 1);
    after = close + 1;
    if (after >= content.size() || content[after] != ':') return;
  }
  m.app = content.substr(0, end);
  m.process = process;
  const std::string_view behind = content.substr(after + 1);
  if (behind.empty() || behind.front() == ' ') m.text = behind.substr(behind.empty() ? 0 : 1);
}

// Behind the priority: "Mmm dd hh:mm:ss HOSTNAME TAG: text"; many send the time as RFC 3339.
bool read_rfc3164(std::string_view rest, const ParseContext& context, Message& m) {
  Cursor in{rest};
  if (!read_rfc3164_time(in, context, m.time)) {
    in.left = rest;
    if (!read_rfc3339(in.word(), 9, m.time)) return false;
  }
  if (!in.take(' ') && !in.left.empty()) return false;
  Cursor with_host = in;
  m.host = with_host.word();
  if (with_host.take(' '))
    read_tag(with_host.left, m);
  else
    m.text = std::exchange(m.host, {});  // one word: a text
  strip_mark(m.text);
  return true;
}

// "<N>" with N 0-191, without leading zeros.
bool read_priority(Cursor& in, Message& m) {
  Cursor look = in;
  int64_t priority = 0;
  const bool zero = look.left.starts_with("<0");
  if (!look.take('<') || !look.number(1, 3, priority) || !look.take('>') || priority > 191) return false;
  if (zero && !in.left.starts_with("<0>")) return false;
  m.has_priority = true;
  m.facility = static_cast<uint8_t>(priority / 8);
  m.severity = static_cast<uint8_t>(priority % 8);
  in = look;
  return true;
}

}  // namespace

Message parse(std::string_view frame, const ParseContext& context) {
  Message m;
  Cursor in{frame};
  read_priority(in, m);
  Message with_header = m;
  if (m.has_priority && read_rfc5424(in.left, with_header)) return with_header;
  with_header = m;
  if (read_rfc3164(in.left, context, with_header)) return with_header;
  m.text = in.left;
  m.problem = m.has_priority ? "neither a header of RFC 5424 nor a time of RFC 3164 behind the priority"
                             : "no priority and no time at the beginning";
  return m;
}

Result<int64_t> parse_utc_offset(std::string_view text) {
  Cursor in{text};
  int64_t seconds = 0;
  if (read_offset(in, seconds) && in.left.empty()) return seconds;
  return fail(Code::invalid_argument, fmt::format("'{}' is not an offset from UTC; write +02:00 or -07:30", text));
}

uint8_t severity_number(uint8_t severity) {
  constexpr std::array<uint8_t, 8> numbers = {21, 19, 18, 17, 13, 10, 9, 5};
  return severity < numbers.size() ? numbers[severity] : 0;
}

std::string_view severity_name(uint8_t severity) {
  constexpr std::array<std::string_view, 8> names = {"emerg",   "alert",  "crit", "err",
                                                     "warning", "notice", "info", "debug"};
  return severity < names.size() ? names[severity] : "";
}

}  // namespace hs::wire::syslog
