#include "store/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>
#include <stop_token>
#include <string_view>
#include <thread>

#include <fmt/format.h>

#include "base/log.h"
#include "base/metrics.h"
#include "io/clock.h"

extern char** environ;

namespace hs::store {
namespace {

constexpr int64_t start_poll_ms = 50;    // how soon a starting engine is noticed to answer
constexpr int64_t watch_poll_ms = 1000;  // how often a running one is asked
constexpr int64_t ping_timeout_ms = 2'000;
constexpr int64_t calm_ms = 60'000;      // a life this long forgives the deaths before it
constexpr size_t last_words_max = 2048;  // a sentence
// An engine answers /ping from a thread that does nothing else: one that is silent this long is stopped or wedged.
constexpr int64_t silence_max_ms = 20'000;

metrics::Counter starts_counter("homeostat_engine_starts_total", "Starts of the storage engine's process.");
metrics::Gauge ready_gauge("homeostat_engine_ready", "1 while the storage engine answers.");

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

struct Child {
  pid_t pid = 0;
  Descriptor exited;  // readable once it has ended
  Descriptor input;   // our end of its standard input: its life line, on which it tells why it could not start
};

// What the engine needs of our environment: nothing of the application, no secret.
std::vector<char*> small_environment() {
  static constexpr std::array<std::string_view, 7> kept = {
      "PATH=", "LD_LIBRARY_PATH=", "LANG=", "TMPDIR=", "ASAN_OPTIONS=", "TSAN_OPTIONS=", "UBSAN_OPTIONS="};
  std::vector<char*> out;
  for (char** item = environ; *item != nullptr; ++item) {
    const std::string_view text = *item;
    if (std::any_of(kept.begin(), kept.end(), [&](std::string_view k) { return text.starts_with(k); })) {
      out.push_back(*item);
    }
  }
  out.push_back(nullptr);
  return out;
}

struct SpawnSetup {
  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};
  explicit SpawnSetup(int input) {
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
};

// The calling thread must live as long as the child: the kernel's parent-death signal is tied to it.
Result<Child> spawn(const std::vector<std::string>& command) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return fail(Code::unavailable, "no socket pair for the engine");
  const Descriptor theirs(ends[0]);
  Child child;
  child.input = Descriptor(ends[1]);
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const SpawnSetup setup(theirs.get());
  const int error =
      posix_spawn(&child.pid, argv[0], &setup.files, &setup.attributes, argv.data(), small_environment().data());
  if (error != 0) return fail(Code::unavailable, fmt::format("cannot start {}: {}", argv[0], std::strerror(error)));
  child.exited = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, child.pid, 0)));
  if (child.exited.get() < 0) {  // kernels before 5.3
    kill(child.pid, SIGKILL);
    waitpid(child.pid, nullptr, 0);
    return fail(Code::unavailable, "pidfd_open is not supported by this kernel");
  }
  return child;
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status)) return fmt::format("ended by signal {}", WTERMSIG(status));
  return fmt::format("ended with code {}", WEXITSTATUS(status));
}

// What a child that has ended said of it.
std::string last_words(const Child& child, int status) {
  std::array<char, last_words_max> said{};
  const ssize_t n = recv(child.input.get(), said.data(), said.size(), MSG_DONTWAIT);
  const std::string how = describe_end(status);
  return n > 0 ? fmt::format("{}: {}", how, std::string_view(said.data(), static_cast<size_t>(n))) : how;
}

}  // namespace

struct EngineSupervisor::Parts {
  SupervisorOptions options;
  io::Http& http;
  Descriptor stop_event{eventfd(0, EFD_CLOEXEC)};
  mutable std::mutex mutex;
  std::condition_variable changed;
  State state;
  bool stopping = false;
  std::stop_source stop_asking;  // ends a ping that is under way
  std::thread thread;

  int64_t start_patience_ms;  // of the thread
  bool was_ready = false;     // the child that runs, or ran last
  std::string last_end;       // of the last child; "": none has ended

  Parts(SupervisorOptions o, io::Http& h)
      : options(std::move(o)), http(h), start_patience_ms(options.start_timeout_ms) {}

  void note(bool ready, pid_t pid, std::string reason) {
    const std::lock_guard lock(mutex);
    state.ready = ready;
    state.pid = pid;
    state.reason = std::move(reason);
    ready_gauge.set(ready ? 1 : 0);
    changed.notify_all();
  }

  void note_starting(pid_t pid) {
    note(false, pid,
         last_end.empty() ? "the engine is starting" : "the engine is starting again; before, it " + last_end);
  }
  void note_end(const std::string& why);
  void forget_failures() {
    const std::lock_guard lock(mutex);
    state.failed_starts = 0;
  }

  enum class Event : uint8_t { nothing, exited, stop };
  // Waits for the child's end or for stop(), at most `timeout_ms`.
  Event wait(const Child* child, int64_t timeout_ms) const {
    std::array<pollfd, 2> watched = {pollfd{stop_event.get(), POLLIN, 0},
                                     pollfd{child == nullptr ? -1 : child->exited.get(), POLLIN, 0}};
    poll(watched.data(), watched.size(), static_cast<int>(timeout_ms));
    if (watched[0].revents != 0) return Event::stop;
    return watched[1].revents != 0 ? Event::exited : Event::nothing;
  }

  bool answers() const {
    const io::HttpRequest ping{.method = "GET", .target = "/ping", .headers = {}, .body = {}};
    const auto response =
        http.request(options.endpoint, ping, {.timeout_ms = ping_timeout_ms, .cancel = stop_asking.get_token()});
    return response && response->status == 200;
  }

  void run();
  Event attend(const Child& child);
  int end(Child& child);
};

// Until the child ends, or we do. A child that is silent for too long is ended here.
EngineSupervisor::Parts::Event EngineSupervisor::Parts::attend(const Child& child) {
  io::Clock& clock = io::system_clock();
  MonoNanos heard = clock.mono();
  bool& ready = was_ready;
  for (;;) {
    const Event event = wait(&child, ready ? watch_poll_ms : start_poll_ms);
    if (event != Event::nothing) return event;
    if (answers()) {
      if (!ready) log::info("engine ready", {{"pid", child.pid}});
      note(true, child.pid, "");
      ready = true;
      forget_failures();
      heard = clock.mono();
      start_patience_ms = options.start_timeout_ms;
      continue;
    }
    ready ? note(false, child.pid, "the engine does not answer") : note_starting(child.pid);
    const int64_t patience_ms = ready ? silence_max_ms : start_patience_ms;
    if (clock.mono() - heard > patience_ms * nanos_per_ms) {
      log::error("the engine does not answer and is ended", {{"pid", child.pid}, {"after_ms", patience_ms}});
      kill(child.pid, SIGKILL);
      heard = clock.mono();
      if (!ready) start_patience_ms = std::min(2 * start_patience_ms, options.start_timeout_max_ms);
    }
  }
}

// Its exit status, when it is certainly gone.
int EngineSupervisor::Parts::end(Child& child) {
  int status = 0;
  pollfd exited{child.exited.get(), POLLIN, 0};
  if (poll(&exited, 1, 0) == 0) {
    kill(child.pid, SIGTERM);
    kill(child.pid, SIGCONT);  // also when somebody stopped it
    if (poll(&exited, 1, static_cast<int>(options.stop_timeout_ms)) == 0) {
      log::warn("the engine did not stop in time and is ended", {{"pid", child.pid}});
      kill(child.pid, SIGKILL);
    }
  }
  waitpid(child.pid, &status, 0);
  return status;
}

void EngineSupervisor::Parts::note_end(const std::string& why) {
  last_end = why;
  note(false, 0, "the engine " + why);
  const std::lock_guard lock(mutex);
  if (!was_ready) ++state.failed_starts;
}

void EngineSupervisor::Parts::run() {
  io::Clock& clock = io::system_clock();
  int64_t backoff_ms = options.backoff_min_ms;
  for (;;) {
    const MonoNanos started = clock.mono();
    auto child = spawn(options.command);
    std::string why = child ? "" : "was not started: " + child.error().message;
    was_ready = false;
    Event event = Event::nothing;
    if (child) {
      starts_counter.add();
      {
        const std::lock_guard lock(mutex);
        ++state.starts;
      }
      note_starting(child->pid);
      event = attend(*child);
      const int status = end(*child);
      why = last_words(*child, status);
    }
    note_end(why);
    if (event == Event::stop) return;
    backoff_ms = clock.mono() - started > calm_ms * nanos_per_ms ? options.backoff_min_ms : backoff_ms;
    log::write(was_ready ? log::Level::warn : log::Level::error, "the engine is down and will be started again",
               {{"why", why}, {"in_ms", backoff_ms}, {"failed_starts", this->state.failed_starts}});
    if (wait(nullptr, backoff_ms) == Event::stop) return;
    backoff_ms = std::min(backoff_ms * 2, options.backoff_max_ms);
  }
}

EngineSupervisor::EngineSupervisor(SupervisorOptions options, io::Http& http)
    : parts_(std::make_unique<Parts>(std::move(options), http)) {
  parts_->state.reason = "the engine is starting";
  parts_->thread = std::thread([this] { parts_->run(); });
}

EngineSupervisor::~EngineSupervisor() { stop(); }

EngineSupervisor::State EngineSupervisor::state() const {
  const std::lock_guard lock(parts_->mutex);
  return parts_->state;
}

bool EngineSupervisor::wait_ready(int64_t timeout_ms) {
  std::unique_lock lock(parts_->mutex);
  parts_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                           [&] { return parts_->state.ready || parts_->stopping; });
  return parts_->state.ready && !parts_->stopping;
}

void EngineSupervisor::stop() {
  {
    const std::lock_guard lock(parts_->mutex);
    if (parts_->stopping) return;
    parts_->stopping = true;
    parts_->changed.notify_all();
  }
  parts_->stop_asking.request_stop();
  eventfd_write(parts_->stop_event.get(), 1);
  parts_->thread.join();
}

}  // namespace hs::store
