#include "sources/tailer.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>

#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/socket.h"
#include "sources/file_records.h"
#include "wire/otlp/log_writer.h"
#include "wire/syslog/message.h"

namespace hs::sources {
namespace {

using wire::otlp::TextAttribute;

constexpr size_t head_bytes_max = 256;

struct Metrics {
  metrics::Gauge files{"homeostat_tail_files", "Log files that are read."};
  metrics::Counter records{"homeostat_tail_records_total", "Records of files that are on disk in the journal."};
  metrics::Counter bytes{"homeostat_tail_bytes_total", "Bytes of files that are on disk in the journal."};
  metrics::Counter truncated{"homeostat_tail_truncated_total", "Files that became shorter and were begun again."};
  metrics::Counter lost{"homeostat_tail_lost_records_total", "Records that were refused for good."};
  metrics::Counter refused{"homeostat_tail_refused_files_total", "Files not read: too many, or not readable."};
};
Metrics& counters() {
  static Metrics instance;
  return instance;
}

std::string read_at(int fd, uint64_t offset, size_t size) {
  std::string out(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t n = ::pread(fd, out.data() + have, size - have, static_cast<off_t>(offset + have));
    if (n <= 0) break;
    have += static_cast<size_t>(n);
  }
  out.resize(have);
  return out;
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "." : path.substr(0, slash + 1);
}

// "nginx" of "/var/log/nginx.log.1"
std::string stem_of(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.substr(0, name.find('.', 1));
}

bool is_compressed(std::string_view path) {
  return path.ends_with(".gz") || path.ends_with(".zst") || path.ends_with(".bz2") || path.ends_with(".xz");
}

// The path of the file that was renamed away, among its neighbours.
std::optional<std::string> find_inode(const std::string& directory, const TailedFile& wanted) {
  DIR* dir = ::opendir(directory.c_str());
  if (dir == nullptr) return std::nullopt;
  std::optional<std::string> found;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_ino != wanted.inode) continue;
    found = directory + entry->d_name;
    break;
  }
  ::closedir(dir);
  return found;
}

bool looks_like_syslog(std::string_view text) {
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() < 16 || text[3] != ' ' || text[6] != ' ' || text[9] != ':') return false;
  const size_t at = months.find(text.substr(0, 3));
  return at != months.npos && at % 3 == 0;
}

void write_record(wire::otlp::LogWriter& writer, const std::string& path, const FileRecord& record,
                  UnixNanos observed) {
  const PodPath pod = pod_of(path);
  const std::string stem = stem_of(path);
  wire::syslog::Message m;
  m.text = record.text;
  if (looks_like_syslog(record.text)) m = wire::syslog::parse(record.text, {.received = observed});
  const std::string_view service = !m.app.empty()           ? m.app
                                   : !pod.container.empty() ? pod.container
                                                            : std::string_view(stem);
  const std::array<TextAttribute, 5> resource = {{{"service.name", service},
                                                  {"host.name", m.host},
                                                  {"k8s.namespace.name", pod.name_space},
                                                  {"k8s.pod.name", pod.pod},
                                                  {"k8s.container.name", pod.container}}};
  writer.resource(resource);
  std::vector<TextAttribute> attributes = {{"log.file.path", path}};
  if (!record.stream.empty()) attributes.push_back({"log.iostream", record.stream});
  if (!m.process.empty()) attributes.push_back({"syslog.procid", m.process});
  writer.add({.time = m.time != 0 ? m.time : record.time,
              .observed_time = observed,
              .body = m.text,
              .attributes = attributes});
}

}  // namespace

struct Tailer::Open {
  net::Fd fd;
  TailedFile file;
  uint64_t size = 0;
  MonoNanos grew_at = 0;
  bool settled = false;  // nothing to take as it is: half a line
  bool renamed = false;  // its path is another file's, or nobody's: what is left is read, then it is closed

  void set_head(size_t bytes) {
    const std::string head = read_at(fd.get(), 0, std::min(bytes, head_bytes_max));
    file.head_bytes = head.size();
    file.head_hash = hash64(head);
  }
  bool has_head(const TailedFile& known) const {
    const std::string head = read_at(fd.get(), 0, known.head_bytes);
    return head.size() == known.head_bytes && hash64(head) == known.head_hash;
  }
};

struct Tailer::Chunk {
  Open* file = nullptr;
  uint64_t begin = 0, end = 0;
  std::vector<FileRecord> records;
};

Tailer::Tailer(TailOptions options, io::Clock& clock, const LogDelivery& delivery)
    : options_(std::move(options)), clock_(clock), delivery_(delivery) {}

Result<std::unique_ptr<Tailer>> Tailer::start(TailOptions options, io::Clock& clock, const LogDelivery& delivery) {
  HS_ASSIGN(TailState state, load_tail_state(options.state_path));
  std::unique_ptr<Tailer> tailer(new Tailer(std::move(options), clock, delivery));
  tailer->thread_ = std::jthread([t = tailer.get(), state = std::move(state)](const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), "tail");
    t->resume(state, stop);
    t->run(stop);
  });
  return tailer;
}

Tailer::~Tailer() {
  thread_.request_stop();
  thread_.join();
}

// Opens the file at `path` unless it is open; continues where `known` says.
void Tailer::adopt(const std::string& path, const TailState* known) {
  net::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0) return counters().refused.add();
  if (!S_ISREG(info.st_mode)) return;
  const auto same = [&](const TailedFile& f) { return f.device == info.st_dev && f.inode == info.st_ino; };
  for (const auto& open : files_)
    if (same(open->file)) {
      open->file.path = path;  // renamed, and still one of those to read
      return;
    }
  if (files_.size() >= options_.files_max) {
    counters().refused.add();
    if (!full_told_) log::warn("logs.files: too many files", {{"max", options_.files_max}, {"not_read", path}});
    full_told_ = true;
    return;
  }
  auto open = std::make_unique<Open>(
      Open{.fd = std::move(fd), .file = {.path = path, .device = info.st_dev, .inode = info.st_ino}});
  if (known != nullptr)
    for (const TailedFile& f : known->files)
      if (same(f) && open->has_head(f) && f.offset <= static_cast<uint64_t>(info.st_size)) {
        open->file = f;
        open->file.path = path;
      }
  open->grew_at = clock_.mono();
  files_.push_back(std::move(open));
}

void Tailer::find_files() {
  for (const std::string& pattern : options_.globs) {
    glob_t found{};
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0)
      for (size_t i = 0; i < found.gl_pathc; ++i)
        if (!is_compressed(found.gl_pathv[i])) adopt(found.gl_pathv[i], nullptr);
    ::globfree(&found);
  }
  for (const auto& open : files_) {
    struct stat info{};
    const bool there = ::stat(open->file.path.c_str(), &info) == 0;
    const bool renamed = !there || info.st_ino != open->file.inode || info.st_dev != open->file.device;
    if (renamed != open->renamed) open->settled = false;
    open->renamed = renamed;
  }
  counters().files.set(static_cast<int64_t>(files_.size()));
}

// Files of a former life, where they were left; what was about to be handed over is handed over again, byte by byte.
void Tailer::resume(const TailState& state, const std::stop_token& stop) {
  observed_ = state.observed;
  std::vector<Chunk> chunks;
  for (const TailedFile& f : state.files) {
    const size_t before = files_.size();
    if (struct stat info{}; ::stat(f.path.c_str(), &info) == 0 && info.st_ino == f.inode)
      adopt(f.path, &state);
    else if (const auto path = find_inode(directory_of(f.path), f))
      adopt(*path, &state);
    if (files_.size() == before || files_.back()->file.offset != f.offset) continue;
    Open& open = *files_.back();
    open.file.path = f.path;  // a record's path is a part of the request
    if (f.pending <= f.offset) continue;
    const std::string bytes = read_at(open.fd.get(), f.offset, f.pending - f.offset);
    if (bytes.size() != f.pending - f.offset) continue;
    chunks.push_back({&open, f.offset, f.pending, split_records(bytes, Rest::all).records});
  }
  if (chunks.empty()) return;
  if (const Status done = hand_over(chunks, state.observed, false, stop); !done)
    log::warn("log files: what was under way could not be handed over", {{"why", done.error().message}});
}

std::optional<Tailer::Chunk> Tailer::next_chunk(Open& open, size_t room) {
  struct stat info{};
  if (::fstat(open.fd.get(), &info) != 0) return std::nullopt;
  TailedFile& f = open.file;
  const auto size = static_cast<uint64_t>(info.st_size);
  // Shorter, or other bytes at its beginning: it was truncated (copytruncate) and written anew.
  if (size < f.offset || (size != open.size && f.head_bytes > 0 && !open.has_head(f))) {
    counters().truncated.add();
    f.offset = f.head_bytes = 0;
  }
  if (size != open.size) {
    open.grew_at = clock_.mono();
    open.settled = false;
  }
  open.size = size;
  if (f.head_bytes < head_bytes_max && size > f.head_bytes) open.set_head(size);
  if (size <= f.offset || open.settled) return std::nullopt;
  const size_t wanted = std::min({static_cast<size_t>(size - f.offset), options_.chunk_bytes_max, room});
  const bool quiet = clock_.mono() - open.grew_at > options_.quiet_ms * nanos_per_ms;
  const bool at_end = f.offset + wanted == size;
  const std::string bytes = read_at(open.fd.get(), f.offset, wanted);
  const Rest rest = !at_end || !quiet ? Rest::wait : open.renamed ? Rest::all : Rest::lines;
  FileRecords found = split_records(bytes, rest);
  // A record that fills the chunk and goes on is longer than records may be.
  if (found.used == 0 && bytes.size() == options_.chunk_bytes_max) found = split_records(bytes, Rest::all);
  if (found.used == 0) {
    open.settled = at_end && quiet;
    return std::nullopt;
  }
  return Chunk{&open, f.offset, f.offset + found.used, std::move(found.records)};
}

TailState Tailer::state_with(const std::vector<Chunk>& pending, UnixNanos observed) const {
  TailState state{.observed = observed};
  for (const Chunk& c : pending) {  // in the order of the request
    state.files.push_back(c.file->file);
    state.files.back().offset = c.begin;
    state.files.back().pending = c.end;
  }
  for (const auto& open : files_)
    if (std::none_of(pending.begin(), pending.end(), [&](const Chunk& c) { return c.file == open.get(); })) {
      state.files.push_back(open->file);
      state.files.back().pending = 0;
    }
  return state;
}

Status Tailer::hand_over(const std::vector<Chunk>& chunks, UnixNanos observed, bool write_down,
                         const std::stop_token& stop) {
  if (write_down) HS_TRY(save_tail_state(options_.state_path, state_with(chunks, observed)));
  wire::otlp::LogWriter writer("file");
  for (const Chunk& c : chunks)
    for (const FileRecord& record : c.records) write_record(writer, c.file->file.path, record, observed);
  const size_t records = writer.records();
  const Status delivered = delivery_.deliver(writer.take(), observed, stop);
  if (!delivered && is_temporary(delivered.error())) return delivered;
  if (delivered) counters().records.add(records);
  if (!delivered) {  // no second try can help, and the lines behind must not wait for ever
    counters().lost.add(records);
    log::error("log files: records were refused for good", {{"records", records}, {"why", delivered.error().message}});
  }
  for (const Chunk& c : chunks) {
    counters().bytes.add(c.end - c.begin);
    c.file->file.offset = c.end;
  }
  return {};
}

// True when there was something, and there may be more at once.
bool Tailer::round(const std::stop_token& stop) {
  std::vector<Chunk> chunks;
  size_t room = options_.round_bytes_max;
  for (const auto& open : files_) {
    if (room == 0) break;
    if (auto chunk = next_chunk(*open, room)) {
      room -= static_cast<size_t>(chunk->end - chunk->begin);
      chunks.push_back(std::move(*chunk));
    }
  }
  if (chunks.empty()) return false;
  observed_ = std::max(clock_.wall(), observed_ + 1);
  if (const Status done = hand_over(chunks, observed_, true, stop); !done) {
    log::warn("log files: a round was not handed over; it will be tried again", {{"why", done.error().message}});
    return false;
  }
  std::rotate(files_.begin(), files_.begin() + 1, files_.end());  // a full round does not starve the last
  return true;
}

void Tailer::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  MonoNanos find_at = 0;
  while (!stop.stop_requested()) {
    if (clock_.mono() >= find_at) {
      find_files();
      find_at = clock_.mono() + options_.find_ms * nanos_per_ms;
    }
    const bool more = round(stop);
    std::erase_if(files_, [&](const auto& open) {
      const bool quiet = clock_.mono() - open->grew_at > 2 * options_.quiet_ms * nanos_per_ms;
      return open->renamed && quiet && open->file.offset >= open->size;
    });
    if (!more) wake.wait_for(lock, stop, std::chrono::milliseconds(options_.poll_ms), [] { return false; });
  }
  if (const Status saved = save_tail_state(options_.state_path, state_with({}, observed_)); !saved)
    log::warn("log files: offsets were not saved", {{"why", saved.error().message}});
}

}  // namespace hs::sources
