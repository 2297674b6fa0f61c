#include "io/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace hs::io {
namespace {

constexpr size_t boot_id_bytes_max = 128;  // the kernel writes 37
constexpr int64_t lock_pause_ms = 10;      // between tries

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<Error> os_error(std::string_view what, const std::string& path) {
  const int error = errno;
  const Code code = error == ENOENT ? Code::not_found : error == EEXIST ? Code::conflict : Code::unavailable;
  return fail(code, fmt::format("cannot {} {}: {}", what, path, std::strerror(error)));
}

Status write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return os_error("write", path);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Status write_new(const std::string& path, std::string_view bytes, mode_t mode, int flags) {
  const Descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode));
  if (fd.get() < 0) return os_error("create", path);
  // The mode of an old temporary file, or the umask, must not decide.
  if (::fchmod(fd.get(), mode) != 0) return os_error("set the mode of", path);
  HS_TRY(write_all(fd.get(), bytes, path));
  if (::fsync(fd.get()) != 0) return os_error("sync", path);
  return {};
}

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

Result<int> open_lock(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return os_error("open", path);
  int status = 0;
  do status = ::flock(fd, LOCK_EX | LOCK_NB);
  while (status != 0 && errno == EINTR);
  if (status == 0) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  if (error == EWOULDBLOCK) return fail(Code::conflict, fmt::format("{} is held by another process", path));
  return os_error("lock", path);
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t max_bytes) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return os_error("open", path);
  std::string out;
  char chunk[16 * 1024];
  for (;;) {
    const ssize_t n = ::read(fd.get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error("read", path);
    if (n == 0) return out;
    out.append(chunk, static_cast<size_t>(n));
    if (out.size() > max_bytes)
      return fail(Code::too_large, fmt::format("{} is larger than {} bytes", path, max_bytes));
  }
}

Status replace_file(const std::string& path, std::string_view bytes, mode_t mode, Durable durable) {
  const std::string temporary = path + ".tmp";
  HS_TRY(write_new(temporary, bytes, mode, O_TRUNC));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return os_error("replace", path);
  return durable == Durable::name ? sync_directory(parent_of(path)) : Status{};
}

Status create_file(const std::string& path, std::string_view bytes, mode_t mode) {
  // Written under another name and linked: nobody ever reads a half-written file, and the first of two creators wins.
  const std::string temporary = fmt::format("{}.new.{}", path, ::getpid());
  HS_TRY(write_new(temporary, bytes, mode, O_TRUNC));
  const bool linked = ::link(temporary.c_str(), path.c_str()) == 0;
  const int error = errno;
  ::unlink(temporary.c_str());
  errno = error;
  if (!linked) return os_error("create", path);
  return sync_directory(parent_of(path));
}

Status make_directories(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  struct stat found{};
  if (::stat(path.c_str(), &found) == 0)
    return S_ISDIR(found.st_mode) ? Status{} : fail(Code::conflict, fmt::format("{} is not a directory", path));
  if (!parent.empty() && parent != std::filesystem::path(path)) HS_TRY(make_directories(parent.string()));
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return os_error("create the directory", path);
  return {};
}

Status sync_directory(const std::string& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return os_error("open the directory", path);
  if (::fsync(fd.get()) != 0) return os_error("sync the directory", path);
  return {};
}

FileStamp stamp_of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return {};
  return {found.st_ino, found.st_size, found.st_ctim.tv_sec * int64_t{1'000'000'000} + found.st_ctim.tv_nsec};
}

Result<FileLock> FileLock::try_take(const std::string& path) {
  HS_ASSIGN(const int fd, open_lock(path));
  return FileLock(fd);
}

Result<FileLock> FileLock::take_within(const std::string& path, int64_t timeout_ms) {
  for (int64_t waited_ms = 0;; waited_ms += lock_pause_ms) {
    auto lock = try_take(path);
    if (lock || lock.error().code != Code::conflict || waited_ms >= timeout_ms) return lock;
    std::this_thread::sleep_for(std::chrono::milliseconds(lock_pause_ms));
  }
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

Status FileLock::write(std::string_view text) {
  if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) != 0) return os_error("rewrite", "the lock file");
  return write_all(fd_, text, "the lock file");
}

const std::string& boot_id() {
  static const std::string id = [] {
    auto text = read_file("/proc/sys/kernel/random/boot_id", boot_id_bytes_max);
    if (!text) return std::string();
    while (!text->empty() && text->back() == '\n') text->pop_back();
    return *text;
  }();
  return id;
}

}  // namespace hs::io
