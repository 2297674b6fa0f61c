#include "app/recorder.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "base/log.h"
#include "base/metrics.h"
#include "io/files.h"

namespace hs::app {
namespace {

namespace replay = loop::replay;

constexpr int compression_level = 1;  // on the machine of the application: cheap before small
constexpr uint64_t part_bytes_min = 1UL << 20;
constexpr std::string_view suffix = ".rec";

metrics::Counter ended("homeostat_recording_ended_total", "Runs whose recording could not be kept up");
metrics::Counter written("homeostat_recording_bytes_total", "Compressed bytes of the loop's recorded input");

struct File {
  std::string path, run;
  uint64_t number = 0, bytes = 0;
};

// "<run>-<number>.rec", sorted by name: the oldest first.
std::vector<File> files_in(const std::string& directory) {
  std::vector<File> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    const size_t dash = name.rfind('-');
    if (!name.ends_with(suffix) || dash == std::string::npos) continue;
    const uint64_t number = std::strtoull(name.c_str() + dash + 1, nullptr, 10);
    out.push_back({entry.path(), name.substr(0, dash), number, entry.file_size(error)});
  }
  std::sort(out.begin(), out.end(), [](const File& a, const File& b) { return a.path < b.path; });
  return out;
}

}  // namespace

std::string recording_directory(const std::string& data) { return data + "/recording"; }

// One compressed file, flushed so that what was written before a kill can be read.
class Recorder::Part {
 public:
  explicit Part(const std::string& path)
      : file_(path, std::ios::binary | std::ios::trunc), context_(ZSTD_createCCtx()) {
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, compression_level);
  }
  ~Part() {
    (void)compress("", ZSTD_e_end);
    ZSTD_freeCCtx(context_);
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  bool compress(std::string_view bytes, ZSTD_EndDirective how) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    std::string chunk(ZSTD_CStreamOutSize(), '\0');
    for (;;) {
      ZSTD_outBuffer out{chunk.data(), chunk.size(), 0};
      const size_t left = ZSTD_compressStream2(context_, &out, &in, how);
      if (ZSTD_isError(left) != 0) return false;
      file_.write(chunk.data(), static_cast<std::streamsize>(out.pos));
      bytes_ += out.pos;
      if (how == ZSTD_e_continue ? in.pos == in.size : left == 0) break;
    }
    if (how != ZSTD_e_continue) file_.flush();
    return file_.good();
  }
  uint64_t bytes() const { return bytes_; }

 private:
  std::ofstream file_;
  ZSTD_CCtx* context_;
  uint64_t bytes_ = 0;
};

Recorder::Recorder(std::string directory, uint64_t max_bytes)
    : directory_(std::move(directory)), max_bytes_(max_bytes) {
  if (max_bytes_ == 0) return;
  thread_ = std::jthread([this](const std::stop_token& stop) { write_all(stop); });
}

Recorder::~Recorder() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void Recorder::add(const replay::Item& item) {
  if (max_bytes_ == 0) return;
  const auto* begin = std::get_if<replay::Begin>(&item);
  Piece piece;
  if (begin != nullptr) piece.run = fmt::format("{:013}", begin->at / nanos_per_ms);
  {
    const std::lock_guard lock(mutex_);
    if (ended_ && begin == nullptr) return;
  }
  replay::encode(item, piece.bytes);
  const std::lock_guard lock(mutex_);
  if (begin != nullptr) ended_ = false;
  if (waiting_bytes_ + piece.bytes.size() > waiting_bytes_max) return end_run("the disk is too slow");
  waiting_bytes_ += piece.bytes.size();
  waiting_.push_back(std::move(piece));
}

void Recorder::hurry() {
  {
    const std::lock_guard lock(mutex_);
    hurry_ = true;
  }
  wake_.notify_one();
}

// With the lock.
void Recorder::end_run(const std::string& why) {
  if (ended_) return;
  ended_ = true;
  ended.add();
  log::warn("the loop's input is not recorded any more until the next start", {{"why", why}});
}

void Recorder::write_all(const std::stop_token& stop) {
  for (bool last = false; !last;) {
    std::vector<Piece> pieces;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, std::chrono::milliseconds(flush_every_ms), [this] { return hurry_; });
      hurry_ = false;
      last = stop.stop_requested();
      pieces.swap(waiting_);
      waiting_bytes_ = 0;
    }
    Status ok;
    for (const Piece& piece : pieces)
      if (ok) ok = write(piece);
    if (ok && part_ && !part_->compress("", ZSTD_e_flush)) ok = fail(Code::unavailable, "the file cannot be written");
    if (ok && part_ && part_->bytes() > std::max(part_bytes_min, max_bytes_ / parts)) ok = open_part();
    if (ok) continue;
    part_.reset();
    const std::lock_guard lock(mutex_);
    end_run(ok.error().message);
  }
  part_.reset();
}

Status Recorder::write(const Piece& piece) {
  if (!piece.run.empty()) {
    run_ = piece.run, number_ = 0;
    HS_TRY(open_part());
  }
  if (!part_) return {};
  const uint64_t before = part_->bytes();
  if (!part_->compress(piece.bytes, ZSTD_e_continue)) return fail(Code::unavailable, "the file cannot be written");
  written.add(part_->bytes() - before);
  return {};
}

Status Recorder::open_part() {
  part_.reset();
  HS_TRY(io::make_directories(directory_));
  HS_TRY(drop_old());
  part_ = std::make_unique<Part>(fmt::format("{}/{}-{:06}{}", directory_, run_, ++number_, suffix));
  if (!part_->compress(replay::magic, ZSTD_e_flush)) return fail(Code::unavailable, "the file cannot be written");
  return {};
}

// Room for one more part.
Status Recorder::drop_old() {
  const std::vector<File> files = files_in(directory_);
  uint64_t bytes = std::max(part_bytes_min, max_bytes_ / parts);
  for (const File& file : files) bytes += file.bytes;
  for (const File& file : files) {
    if (bytes <= max_bytes_) break;
    std::error_code error;
    if (!std::filesystem::remove(file.path, error)) return fail(Code::unavailable, "an old part cannot be removed");
    bytes -= file.bytes;
  }
  return {};
}

Result<std::vector<RecordedRun>> recorded_runs(const std::string& directory) {
  std::vector<RecordedRun> out;
  for (const File& file : files_in(directory)) {
    if (out.empty() || out.back().name != file.run) out.push_back({file.run, {}, file.number == 1});
    out.back().parts.push_back(file.path);
  }
  if (out.empty()) return fail(Code::not_found, fmt::format("nothing is recorded in {}", directory));
  return out;
}

struct RecordingReader::Decompressor {
  explicit Decompressor(const std::string& path) : file(path, std::ios::binary), context(ZSTD_createDCtx()) {}
  ~Decompressor() { ZSTD_freeDCtx(context); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  // Appends what the next piece of the file holds. False at its end, also where a kill cut it off.
  Result<bool> more(std::string& to) {
    std::string piece(ZSTD_DStreamInSize(), '\0');
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    ZSTD_inBuffer in{piece.data(), static_cast<size_t>(file.gcount()), 0};
    if (in.size == 0) return false;
    std::string chunk(ZSTD_DStreamOutSize(), '\0');
    for (bool full = true; in.pos < in.size || full;) {
      ZSTD_outBuffer out{chunk.data(), chunk.size(), 0};
      const size_t left = ZSTD_decompressStream(context, &out, &in);
      if (ZSTD_isError(left) != 0) return fail(Code::invalid_argument, "a part of the recording is damaged");
      to.append(chunk.data(), out.pos);
      full = out.pos == out.size;
    }
    return true;
  }
  std::ifstream file;
  ZSTD_DCtx* context;
};

RecordingReader::RecordingReader(RecordedRun run) : run_(std::move(run)) {}
RecordingReader::~RecordingReader() = default;

Status RecordingReader::open_part() {
  open_ = std::make_unique<Decompressor>(run_.parts[part_++]);
  bytes_.clear(), at_ = 0;
  for (bool more = true; more && bytes_.size() < replay::magic.size();) {
    HS_ASSIGN(more, open_->more(bytes_));
  }
  if (!bytes_.starts_with(replay::magic))
    return bytes_.empty() ? Status{} : fail(Code::invalid_argument, "the recording is of another version");
  at_ = replay::magic.size();
  return {};
}

Result<std::optional<replay::Item>> RecordingReader::next() {
  for (;;) {
    if (!open_) {
      if (part_ == run_.parts.size()) return std::nullopt;
      HS_TRY(open_part());
    }
    std::string_view left = std::string_view(bytes_).substr(at_);
    HS_ASSIGN(auto item, replay::take(left));
    if (item) {
      at_ = bytes_.size() - left.size();
      return item;
    }
    bytes_.erase(0, at_), at_ = 0;
    HS_ASSIGN(const bool more, open_->more(bytes_));
    if (!more) open_.reset();
  }
}

}  // namespace hs::app
