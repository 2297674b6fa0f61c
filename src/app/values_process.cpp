#include "app/values_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <vector>

#include "app/signals.h"
#include "base/log.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/random.h"
#include "net/http_server.h"
#include "security/guard.h"
#include "values/actuator.h"
#include "values/service.h"

namespace hs::app {
namespace {

constexpr int start_timeout_ms = 30'000;  // a process that binds one socket; a starved machine has taken five seconds
constexpr int stop_timeout_ms = 3'000;

std::string values_directory(const std::string& data) { return data + "/values"; }

void sleep_ms(int ms) { usleep(static_cast<useconds_t>(ms) * 1000); }

// In the grandchild: never returns.
[[noreturn]] void become_values(const std::vector<std::string>& command, const std::string& data) {
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
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execv("/proc/self/exe", arguments.data());
  _exit(127);
}

std::vector<std::string> values_command(const Common& common, const std::string& data, const std::string& address) {
  std::vector<std::string> command = {"homeostat", "values", "--data", data};
  if (!common.source.file.empty()) command.insert(command.end(), {"--config", common.source.file});
  for (const std::string& item : common.source.overrides) command.insert(command.end(), {"--set", item});
  command.insert(command.end(), {"--set", "listen.values=" + address});
  if (common.insecure_bind) command.insert(command.end(), {"--set", "security.insecure_bind=true"});
  return command;
}

// Forks twice, so the process belongs to nobody that could end it.
Status spawn_detached(const std::vector<std::string>& command, const std::string& data) {
  const pid_t child = fork();
  if (child < 0) return fail(Code::unavailable, "cannot start the values process: fork failed");
  if (child == 0) {
    if (fork() == 0) become_values(command, data);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return {};
}

Status stop_running(const std::string& directory, int pid, const std::stop_token& stop) {
  kill(pid, SIGTERM);
  for (int waited = 0; waited < stop_timeout_ms && !stop.stop_requested(); waited += 20) {
    if (!values::running(directory)) return {};
    sleep_ms(20);
  }
  return fail(Code::unavailable, fmt::format("the values process {} does not stop; end it and start again", pid));
}

}  // namespace

namespace {

// Who may ask. Evaluations change nothing, so on loopback they need no credential; elsewhere they need that of a
// sender.
class Callers {
 public:
  // Again with each configuration; on an error the former one stays.
  Status configure(const config::Settings& settings) {
    HS_TRY(check_values(settings));
    HS_TRY(senders_->replace(settings.list("security.ingest_tokens")));
    hosts_.store(std::make_shared<const std::vector<std::string>>(settings.list("security.hosts")));
    return {};
  }
  // `this` outlives the result.
  http::Handler guarded(const std::string& address, http::Handler handler) {
    const bool local = security::is_loopback(address);
    using enum security::Access;
    security::Policy policy{.rules = {{"POST", "/ofrep", local ? read : sender}},
                            .hosts = [this] { return *hosts_.load(); },
                            .any_address = !local,
                            .operators = std::make_shared<security::Credentials>(),  // there is nothing to control
                            .senders = senders_};
    return security::guard(std::move(handler), std::move(policy));
  }

 private:
  std::shared_ptr<security::Credentials> senders_ = std::make_shared<security::Credentials>();
  std::atomic<std::shared_ptr<const std::vector<std::string>>> hosts_;
};

void reload(const Common& common, Callers& callers) {
  const auto next = common.load();
  const Status ok = next ? callers.configure((*next)->settings) : tl::unexpected(next.error());
  if (ok)
    log::info("who may ask was read again");
  else
    log::error("configuration not applied", {{"why", ok.error().message}});
}

// Where `serve` never ran, the configuration's bases are all there is to serve.
Status declare_bases(const config::Snapshot& config, const std::string& directory) {
  if (config.declarations.knobs.empty() || std::filesystem::exists(directory + "/state.json")) return {};
  values::Actuator actuator(directory, io::system_clock(), io::system_random());
  const auto declared = actuator.declare(config.declarations.knobs);
  return declared ? Status{} : tl::unexpected(declared.error());
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
  if (const Status ok = io::make_directories(directory); !ok) return report(ok.error());
  if (const Status ok = declare_bases(**loaded, directory); !ok) return report(ok.error());

  auto service = values::Service::start(directory, io::system_clock());
  if (!service) return report(service.error());
  Callers callers;
  if (const Status ok = callers.configure(settings); !ok) return report(ok.error());
  const auto endpoint = io::parse_endpoint(settings.text("listen.values"));
  if (!endpoint) return report(endpoint.error());
  net::HttpServerOptions options{.listen = *endpoint, .name = "values", .body_bytes_max = 1 << 20};
  auto server = net::HttpServer::start(options, callers.guarded(settings.text("listen.values"), (*service)->handler()));
  if (!server) return report(server.error());
  if (const Status ok = (*service)->announce((*server)->address().text()); !ok) return report(ok.error());
  log::info("values serves", {{"address", (*server)->address().text()}});

  while (signals.wait() == SIGHUP) reload(common, callers);
  (*server)->stop(1000);
  return 0;
}

Status check_values(const config::Settings& settings) {
  return security::check_bind("listen.values", settings.text("listen.values"),
                              !settings.list("security.ingest_tokens").empty(),
                              settings.flag("security.insecure_bind"));
}

void reload_values(const std::string& data) {
  if (const auto running = values::running(values_directory(data))) kill(running->pid, SIGHUP);
}

Status end_stuck_values(const std::string& data) {
  const std::string directory = values_directory(data);
  HS_ASSIGN(const values::Running running, values::running(directory));
  log::error("values does not answer; it is replaced", {{"pid", running.pid}, {"address", running.address}});
  kill(running.pid, SIGKILL);
  for (int waited = 0; waited < stop_timeout_ms; waited += 20) {
    if (!values::running(directory)) return {};
    sleep_ms(20);
  }
  return fail(Code::unavailable, fmt::format("the values process {} does not end", running.pid));
}

Status ensure_values(const Common& common, const std::string& data, const std::string& address,
                     const std::stop_token& stop) {
  const std::string directory = values_directory(data);
  if (const auto running = values::running(directory)) {
    if (running->address == address) return {};
    HS_TRY(stop_running(directory, running->pid, stop));
  }
  HS_TRY(spawn_detached(values_command(common, data, address), data));
  for (int waited = 0; waited < start_timeout_ms && !stop.stop_requested(); waited += 20) {
    const auto running = values::running(directory);
    if (running && !running->address.empty()) return {};
    sleep_ms(20);
  }
  return fail(Code::unavailable,
              fmt::format("the values process did not start on {}; see {}/values.log", address, data));
}

}  // namespace hs::app
