#include "base/log.h"

#include <unistd.h>

#include <chrono>

#include "base/text.h"
#include "base/time.h"

namespace hs::log {
namespace {

Level least_level = Level::info;
Format line_format = Format::logfmt;

constexpr std::string_view level_names[] = {"debug", "info", "warn", "error"};

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : printable(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

bool is_plain(std::string_view text) {
  return !text.empty() && text.find_first_of(" =\"\\") == std::string_view::npos && printable(text) == text;
}

std::string logfmt_line(std::string_view time, Level level, std::string_view message, Fields fields) {
  std::string line = fmt::format("time={} level={} msg={}", time, level_names[static_cast<int>(level)], quote(message));
  for (const Field& f : fields) line += fmt::format(" {}={}", f.key, is_plain(f.value) ? f.value : quote(f.value));
  return line + '\n';
}

std::string json_line(std::string_view time, Level level, std::string_view message, Fields fields) {
  std::string line =
      fmt::format(R"({{"time":"{}","level":"{}","msg":{})", time, level_names[static_cast<int>(level)], quote(message));
  for (const Field& f : fields) line += fmt::format(",{}:{}", quote(f.key), f.quoted ? quote(f.value) : f.value);
  return line + "}\n";
}

}  // namespace

void configure(Level least, Format format) {
  least_level = least;
  line_format = format;
}

void write(Level level, std::string_view message, Fields fields) {
  if (level < least_level) return;
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();  // a log line's own time: not replayed
  const std::string time = format_rfc3339(std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count());
  const std::string line =
      line_format == Format::json ? json_line(time, level, message, fields) : logfmt_line(time, level, message, fields);
  // One write a line: lines of several threads and processes do not mix.
  if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;  // stderr is gone: nobody to tell
}

}  // namespace hs::log
