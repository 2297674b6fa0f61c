#include "app/values_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "app/signals.h"
#include "base/log.h"
#include "io/clock.h"
#include "net/http_server.h"
#include "values/service.h"

namespace hs::app {
namespace {

constexpr int start_timeout_ms = 5'000;  // a process that binds one socket; a loaded machine may take a second
constexpr int stop_timeout_ms = 3'000;

std::string values_directory(const std::string& data) { return data + "/values"; }

void sleep_ms(int ms) { usleep(static_cast<useconds_t>(ms) * 1000); }

// In the grandchild: never returns.
[[noreturn]] void become_values(const std::string& data, const std::string& address) {
  setsid();
  const int in = open("/dev/null", O_RDONLY);
  const int out = open((data + "/values.log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  for (int fd = 3; fd < 1024; ++fd) close(fd);  // the parent's sockets and locks are not ours to keep
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  const std::string listen = "listen.values=" + address;
  execl("/proc/self/exe", "homeostat", "values", "--data", data.c_str(), "--set", listen.c_str(), nullptr);
  _exit(127);
}

// Forks twice, so the process belongs to nobody that could end it.
Status spawn_detached(const std::string& data, const std::string& address) {
  const pid_t child = fork();
  if (child < 0) return fail(Code::unavailable, "cannot start the values process: fork failed");
  if (child == 0) {
    if (fork() == 0) become_values(data, address);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return {};
}

Status stop_running(const std::string& directory, int pid) {
  kill(pid, SIGTERM);
  for (int waited = 0; waited < stop_timeout_ms; waited += 20) {
    if (!values::running(directory)) return {};
    sleep_ms(20);
  }
  return fail(Code::unavailable, fmt::format("the values process {} does not stop; end it and start again", pid));
}

}  // namespace

int values(const Common& common) {
  Signals signals;
  const auto report = [](const Error& error) {
    log::error("values cannot start", {{"why", error.message}});
    return 1;
  };
  const auto loaded = common.load();
  if (!loaded) return report(loaded.error());
  const config::Settings& settings = (*loaded)->settings;
  const std::string directory = values_directory(settings.text("data"));
  std::filesystem::create_directories(directory);

  auto service = values::Service::start(directory, io::system_clock());
  if (!service) return report(service.error());
  const auto endpoint = io::parse_endpoint(settings.text("listen.values"));
  if (!endpoint) return report(endpoint.error());
  net::HttpServerOptions options{.listen = *endpoint, .name = "values", .body_bytes_max = 1 << 20};
  auto server = net::HttpServer::start(options, (*service)->handler());
  if (!server) return report(server.error());
  if (const Status ok = (*service)->announce((*server)->address().text()); !ok) return report(ok.error());
  log::info("values serves", {{"address", (*server)->address().text()}});

  while (signals.wait() == SIGHUP) continue;
  (*server)->stop(1000);
  return 0;
}

Status ensure_values(const std::string& data, const std::string& address) {
  const std::string directory = values_directory(data);
  if (const auto running = values::running(directory)) {
    if (running->address == address) return {};
    HS_TRY(stop_running(directory, running->pid));
  }
  HS_TRY(spawn_detached(data, address));
  for (int waited = 0; waited < start_timeout_ms; waited += 20) {
    const auto running = values::running(directory);
    if (running && !running->address.empty()) return {};
    sleep_ms(20);
  }
  return fail(Code::unavailable,
              fmt::format("the values process did not start on {}; see {}/values.log", address, data));
}

}  // namespace hs::app
