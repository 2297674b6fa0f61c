#include "sources/file_records.h"

#include <simdjson.h>

#include <optional>

namespace hs::sources {
namespace {

// A line as its file's format tells it.
struct Line {
  UnixNanos time = 0;
  std::string_view stream;
  std::string text;
  bool partial = false;  // the next line goes on with it
};

std::string_view known_stream(std::string_view name) {
  if (name == "stdout") return "stdout";
  return name == "stderr" ? "stderr" : "";
}

// Docker's json-file: {"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05.678Z"}
bool read_docker(std::string_view raw, Line& line) {
  if (!raw.starts_with("{\"log\":")) return false;
  thread_local simdjson::dom::parser parser;
  simdjson::dom::object fields;
  std::string_view log, stream, time;
  if (parser.parse(raw.data(), raw.size(), true).get(fields) != simdjson::SUCCESS) return false;
  if (fields["log"].get(log) != simdjson::SUCCESS || fields["time"].get(time) != simdjson::SUCCESS) return false;
  const auto at = parse_time(time);
  if (!at) return false;
  if (fields["stream"].get(stream) == simdjson::SUCCESS) line.stream = known_stream(stream);
  line.time = *at;
  line.partial = !log.ends_with('\n');
  line.text = log.substr(0, log.size() - (line.partial ? 0 : 1));
  return true;
}

// CRI (containerd, CRI-O): "2026-01-02T03:04:05.678901234Z stdout F text", P for a part.
bool read_cri(std::string_view raw, Line& line) {
  const size_t space = raw.find(' ');
  if (space == raw.npos || space < 20 || space > 36 || raw[4] != '-' || raw[10] != 'T') return false;
  const std::string_view rest = raw.substr(space + 1);
  if (rest.size() < 9 || rest[6] != ' ' || (rest[7] != 'F' && rest[7] != 'P') || rest[8] != ' ') return false;
  const std::string_view stream = known_stream(rest.substr(0, 6));
  const auto at = parse_time(raw.substr(0, space));
  if (stream.empty() || !at) return false;
  line = {*at, stream, std::string(rest.substr(9)), rest[7] == 'P'};
  return true;
}

Line read_line(std::string_view raw) {
  if (raw.ends_with('\r')) raw.remove_suffix(1);
  Line line;
  if (!raw.empty() && (read_docker(raw, line) || read_cri(raw, line))) return line;
  line.text = raw;
  return line;
}

// Groups lines into records.
class Grouper {
 public:
  explicit Grouper(std::vector<FileRecord>& out) : out_(out) {}

  // True when the line begins a new record.
  bool add(Line line) {
    const bool goes_on = open_ && belongs(line) && lines_ < record_lines_max &&
                         out_.back().text.size() + line.text.size() < record_bytes_max;
    if (goes_on) {
      if (!partial_) out_.back().text += '\n';
      out_.back().text += line.text;
      ++lines_;
    } else {
      out_.push_back({line.time, line.stream, std::move(line.text)});
      lines_ = 1;
      open_ = true;
    }
    partial_ = line.partial;
    return !goes_on;
  }

 private:
  bool belongs(const Line& line) {
    if (out_.back().stream != line.stream) return false;
    if (partial_) return true;
    const std::string_view text = line.text;
    const bool indented = text.starts_with(' ') || text.starts_with('\t');
    if (text.starts_with("Traceback (most recent call last)")) return python_ = true;
    // Python's exception stands unindented below its frames.
    if (python_ && !indented) {
      python_ = false;
      return true;
    }
    return indented || text.starts_with("Caused by: ") || text.starts_with("Suppressed: ");
  }

  std::vector<FileRecord>& out_;
  bool open_ = false, partial_ = false, python_ = false;
  size_t lines_ = 0;
};

}  // namespace

FileRecords split_records(std::string_view bytes, Rest rest) {
  FileRecords out;
  Grouper grouper(out.records);
  size_t at = 0;
  while (at < bytes.size()) {
    const size_t begin = at;
    const std::string_view within = bytes.substr(at, record_bytes_max);
    const size_t end = within.find('\n');
    const bool too_long = end == within.npos && within.size() == record_bytes_max;
    if (end == within.npos && !too_long && rest != Rest::all) break;  // half a line
    const std::string_view raw = within.substr(0, end);
    at += raw.size() + (end == within.npos ? 0 : 1);
    if (grouper.add(read_line(raw))) out.used = begin;  // what stands before is whole
  }
  if (rest != Rest::wait) {
    out.used = at;
    return out;
  }
  if (!out.records.empty()) out.records.pop_back();  // may go on
  return out;
}

PodPath pod_of(std::string_view path) {
  constexpr std::string_view root = "/pods/";
  const size_t at = path.find(root);
  if (at == path.npos) return {};
  const std::string_view rest = path.substr(at + root.size());
  const size_t slash = rest.find('/');
  const std::string_view pod = rest.substr(0, slash);
  const size_t first = pod.find('_');
  const size_t last = pod.rfind('_');
  if (slash == rest.npos || first == pod.npos || first == last) return {};
  const std::string_view inside = rest.substr(slash + 1);
  const std::string_view container = inside.substr(0, inside.find('/'));
  if (container.size() == inside.size()) return {};
  return {pod.substr(0, first), pod.substr(first + 1, last - first - 1), container};
}

}  // namespace hs::sources
