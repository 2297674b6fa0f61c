#include "store/engine/sandbox.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

namespace hs::store {
namespace {

// Newer than the headers of Debian 12 (https://docs.kernel.org/userspace-api/landlock.html).
constexpr uint64_t access_refer = 1ULL << 13, access_truncate = 1ULL << 14, net_connect_tcp = 1ULL << 1;
struct Ruleset {
  uint64_t files, net;
};

constexpr uint64_t read_rights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t all_rights =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | read_rights | LANDLOCK_ACCESS_FS_REMOVE_DIR |
    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
// Rights that mean something for a file that is no directory.
constexpr uint64_t file_rights =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | access_truncate;
constexpr uint64_t socket_rights = LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;

// What the loader, the C library and chDB read at start: libraries, time zones, the machine's size.
constexpr std::array<const char*, 12> readable = {
    "/lib",  "/lib64", "/usr/lib",  "/usr/local/lib", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo",
    "/proc", "/sys",   "/dev/null", "/dev/urandom",   "/etc/ld.so.conf"};

class Rules {
 public:
  Rules(int fd, uint64_t handled) : fd_(fd), handled_(handled) {}
  ~Rules() { close(fd_); }
  Rules(const Rules&) = delete;
  Rules& operator=(const Rules&) = delete;

  // A path that does not exist needs no rule.
  Status allow(const std::string& path, uint64_t rights) const {
    const int at = open(path.c_str(), O_PATH | O_CLOEXEC);
    if (at < 0) return {};
    struct stat about{};
    fstat(at, &about);
    const uint64_t fitting = S_ISDIR(about.st_mode) ? rights : rights & file_rights;
    landlock_path_beneath_attr rule{};
    rule.allowed_access = fitting & handled_;
    rule.parent_fd = at;
    const long failed = syscall(SYS_landlock_add_rule, fd_, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(at);
    if (failed != 0) return fail(Code::internal, fmt::format("Landlock: {}: {}", path, std::strerror(errno)));
    return {};
  }
  int fd() const { return fd_; }

 private:
  int fd_;
  uint64_t handled_;
};

}  // namespace

Result<bool> confine(const Allowed& allowed) {
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return false;
  Ruleset handled{all_rights, 0};
  if (version >= 2) handled.files |= access_refer;
  if (version >= 3) handled.files |= access_truncate;
  if (version >= 4) handled.net = net_connect_tcp;  // no rule allows one
  const size_t size = version >= 4 ? sizeof handled : sizeof handled.files;
  const long fd = syscall(SYS_landlock_create_ruleset, &handled, size, 0);
  if (fd < 0) return fail(Code::internal, fmt::format("Landlock: {}", std::strerror(errno)));
  const Rules rules(static_cast<int>(fd), handled.files);
  for (const char* path : readable) HS_TRY(rules.allow(path, read_rights | LANDLOCK_ACCESS_FS_EXECUTE));
  std::error_code ignored;
  HS_TRY(rules.allow(allowed.library, read_rights | LANDLOCK_ACCESS_FS_EXECUTE));
  HS_TRY(rules.allow(std::filesystem::canonical(allowed.library, ignored), read_rights | LANDLOCK_ACCESS_FS_EXECUTE));
  HS_TRY(rules.allow(allowed.directory, handled.files));
  HS_TRY(rules.allow("/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE | read_rights));
  if (!allowed.socket_directory.empty()) HS_TRY(rules.allow(allowed.socket_directory, socket_rights));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_landlock_restrict_self, rules.fd(), 0) != 0) {
    return fail(Code::internal, fmt::format("Landlock: {}", std::strerror(errno)));
  }
  return true;
}

}  // namespace hs::store
