#include "store/engine/engine.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "base/log.h"
#include "io/clock.h"
#include "io/files.h"
#include "store/engine/config_file.h"
#include "store/engine/sandbox.h"
#include "store/engine/service.h"

namespace hs::store {
namespace {

// Between the end of intake and leaving: an insert of a large block on a busy disk. What is cut off here is safe: the
// engine survives kill -9 at any instant, and the block is sent again.
constexpr int64_t quiet_timeout_ms = 1'000;
constexpr int64_t lock_poll_ms = 20;

// An orphan of a killed parent may still finish an insert; it must be gone before anything is read or replayed.
Result<io::FileLock> take_lock(const EngineOptions& options) {
  const std::string path = options.directory + "/lock";
  const MonoNanos give_up = io::system_clock().mono() + options.lock_timeout_ms * nanos_per_ms;
  for (bool told = false;;) {
    auto lock = io::FileLock::try_take(path);
    if (lock || lock.error().code != Code::conflict || io::system_clock().mono() > give_up) return lock;
    if (!told) log::info("another engine still holds the directory; waiting", {{"lock", path}});
    told = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(lock_poll_ms));
  }
}

// SIGTERM when the parent dies; and at once when it died before we could ask for that.
Status die_with_parent() {
  const pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent || parent == 1) return fail(Code::unavailable, "the parent is gone already");
  return {};
}

// The signals that end the engine, as a descriptor. SIGINT is the terminal's way to end the parent, which then ends us
// in order; SIGHUP and SIGPIPE mean nothing here.
int block_signals() {
  // SIGXFSZ: a file that may not grow is an error of write(), like a full disk.
  for (const int ignored : {SIGINT, SIGHUP, SIGPIPE, SIGXFSZ}) std::signal(ignored, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

// Waits, on a thread of its own, until the engine is told to end. Before it is open that means leaving at once: loading
// takes seconds on a busy machine, and an engine that survives kill -9 at any instant survives this.
class TheEnd {
 public:
  TheEnd(int signals, bool watch_input) : thread_([=, this] { watch(signals, watch_input); }) {}
  ~TheEnd() {
    eventfd_write(not_awaited_, 1);
    thread_.join();
    close(not_awaited_);
  }
  // From now on the end is awaited, not taken.
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
  }
  void wait() {
    std::unique_lock lock(mutex_);
    told_.wait(lock, [this] { return is_told_; });
  }

 private:
  void watch(int signals, bool watch_input) {
    std::array<pollfd, 3> watched = {pollfd{not_awaited_, POLLIN, 0}, pollfd{signals, POLLIN, 0},
                                     pollfd{watch_input ? STDIN_FILENO : -1, POLLIN, 0}};
    for (;;) {
      if (poll(watched.data(), watched.size(), -1) < 0) continue;
      if (watched[0].revents != 0) return;
      if (watched[1].revents != 0) break;
      std::array<char, 64> ignored{};
      if (watched[2].revents != 0 && read(STDIN_FILENO, ignored.data(), ignored.size()) <= 0) break;
    }
    const std::lock_guard lock(mutex_);
    if (!open_) _exit(0);
    is_told_ = true;
    told_.notify_all();
  }

  const int not_awaited_ = eventfd(0, EFD_CLOEXEC);
  std::mutex mutex_;
  std::condition_variable told_;
  bool open_ = false, is_told_ = false;
  std::thread thread_;  // last: it uses the others
};

Outcome<Session> open_engine(const Chdb& chdb, const EngineOptions& options, const std::string& path) {
  const std::string config = options.directory + "/config.xml";
  if (auto written = io::replace_file(config, config_file(options), 0600, io::Durable::content); !written) {
    return tl::unexpected(Exception{0, written.error().message});
  }
  chdb.set_signal_handlers_enabled(0);
  return Session::open(chdb, path, {{"config-file", config}});
}

// `serve` shows it in /readyz: our standard input is a socket of its then (store/supervisor.cpp).
void give_up(const EngineOptions& options, const Error& why) {
  log::error("the engine cannot start", {{"why", why.message}});
  if (options.watch_parent)
    (void)send(STDIN_FILENO, why.message.data(), why.message.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

// Returns only when the engine does not open.
Error serve_until_told(const EngineOptions& options, const Serve& serve, const Chdb& chdb, TheEnd& end) {
  const std::string path = options.directory + "/chdb";
  auto keeper = open_engine(chdb, options, path);  // while this connection is open, the engine is
  if (!keeper)
    return {Code::unavailable, fmt::format("the store in {} cannot be opened: {}", path, keeper.error().text)};
  EngineService service(chdb, {.path = path,
                               .token = options.token,
                               .query_threads = options.query_threads,
                               .insert_threads = options.insert_threads,
                               .memory_bytes = options.memory_bytes,
                               .query_timeout_ms = options.query_timeout_ms});
  auto listening = serve({service.local(), service.guarded()});
  if (!listening) {
    give_up(options, listening.error());
    std::quick_exit(1);
  }
  end.open();
  log::info("engine open", {{"version", chdb.version()}, {"directory", path}});
  end.wait();
  const bool quiet = service.stop(quiet_timeout_ms);
  listening->reset();
  log::info("engine stopped", {{"quiet", quiet}});
  // Not exit(): with a query running that crashes in the library, and unloading it is not possible at all.
  std::quick_exit(0);
}

// Returns only when it could not start.
Error run(const EngineOptions& options, const Serve& serve) {
  const int signals = block_signals();
  if (options.watch_parent)
    if (auto bound = die_with_parent(); !bound) return bound.error();
  setenv("TZ", "UTC", 1);  // NOLINT: no other thread yet; times in the store are UTC
  if (auto made = io::make_directories(options.directory); !made) return made.error();
  TheEnd end(signals, options.watch_parent);  // before confine(), which leaves its thread out: it touches nothing
  auto lock = take_lock(options);
  if (!lock) return lock.error();
  lock->write(std::to_string(getpid()) + "\n");
  const auto confined = confine({options.directory, options.library, options.socket_directory});
  if (!confined || !*confined) {
    log::warn("the engine is not confined to its directory",
              {{"why", confined ? "this kernel has no Landlock" : confined.error().message}});
  }
  auto chdb = Chdb::load(options.library);
  return chdb ? serve_until_told(options, serve, *chdb, end) : chdb.error();
}

}  // namespace

int run_engine(const EngineOptions& options, const Serve& serve) {
  give_up(options, run(options, serve));
  return 1;
}

}  // namespace hs::store
