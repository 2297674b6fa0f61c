#include "io/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include <fmt/format.h>

#include "io/files.h"

namespace hs::io {
namespace {

Code code_of(int error) {
  switch (error) {
    case ENOENT:
      return Code::not_found;
    case EEXIST:
      return Code::conflict;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::permission_denied;
    case ENOSPC:
    case EDQUOT:
      return Code::resource_exhausted;
    default:
      return Code::unavailable;
  }
}

tl::unexpected<Error> failure(std::string_view what, const std::string& path, int error) {
  return fail(code_of(error), fmt::format("cannot {} {}: {}", what, path, std::generic_category().message(error)));
}

class SystemFile final : public File {
 public:
  SystemFile(int fd, uint64_t end, std::string path) : fd_(fd), end_(end), path_(std::move(path)) {}
  ~SystemFile() override { ::close(fd_); }
  SystemFile(const SystemFile&) = delete;
  SystemFile& operator=(const SystemFile&) = delete;

  Status append(std::string_view bytes) override {
    while (!bytes.empty()) {
      HS_ASSIGN(const size_t n, write_some(bytes, end_));
      end_ += n;
      bytes.remove_prefix(n);
    }
    return {};
  }

  Status rewrite(uint64_t offset) override {
    while (offset < end_) {
      HS_ASSIGN(const std::string bytes, read(offset, std::min<uint64_t>(end_ - offset, rewrite_bytes)));
      HS_ASSIGN(const size_t n, write_some(bytes, offset));
      offset += n;
    }
    return {};
  }

  Status sync() override {
    if (::fdatasync(fd_) != 0) return failure("sync", path_, errno);  // never repeated: see File::sync
    return {};
  }

  Status truncate(uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return failure("truncate", path_, errno);
    end_ = size;
    return {};
  }

  Result<std::string> read(uint64_t offset, size_t size) override {
    std::string out(size, '\0');
    size_t have = 0;
    while (have < size) {
      const ssize_t n = ::pread(fd_, out.data() + have, size - have, static_cast<off_t>(offset + have));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failure("read", path_, errno);
      if (n == 0) break;
      have += static_cast<size_t>(n);
    }
    out.resize(have);
    return out;
  }

  Result<uint64_t> size() override {
    struct stat info{};
    if (::fstat(fd_, &info) != 0) return failure("look at", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  static constexpr size_t rewrite_bytes = 1 << 20;

  // At least one byte, or an error. (No O_APPEND: Linux would ignore the offset.)
  Result<size_t> write_some(std::string_view bytes, uint64_t offset) {
    for (;;) {
      const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n > 0) return static_cast<size_t>(n);
      if (n < 0 && errno == EINTR) continue;
      return failure("write", path_, n < 0 ? errno : EIO);
    }
  }

  const int fd_;
  uint64_t end_;
  const std::string path_;
};

class SystemDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    const int flags = how == Open::read ? O_RDONLY : how == Open::append ? O_RDWR : O_RDWR | O_CREAT | O_EXCL;
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (fd < 0) return failure("open", path, errno);
    struct stat info{};
    if (::fstat(fd, &info) != 0) {
      const int error = errno;
      ::close(fd);
      return failure("look at", path, error);
    }
    return std::make_unique<SystemFile>(fd, static_cast<uint64_t>(info.st_size), path);
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return failure("rename", from, errno);
    return {};
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return failure("remove", path, errno);
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    DIR* dir = ::opendir(directory.c_str());
    if (dir == nullptr) return failure("list", directory, errno);
    std::vector<std::string> names;
    for (const dirent* entry = ::readdir(dir); entry != nullptr; entry = ::readdir(dir)) {
      struct stat info{};
      const bool known = ::fstatat(::dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0;
      if (known && S_ISREG(info.st_mode)) names.emplace_back(entry->d_name);
    }
    ::closedir(dir);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status make_directories(const std::string& path) override { return io::make_directories(path); }
  Status sync_directory(const std::string& path) override { return io::sync_directory(path); }

  Result<uint64_t> free_bytes(const std::string& path) override {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) return failure("ask the free space of", path, errno);
    return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  }
};

}  // namespace

Disk& system_disk() {
  static SystemDisk disk;
  return disk;
}

}  // namespace hs::io
