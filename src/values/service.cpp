#include "values/service.h"

#include <unistd.h>

#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "base/log.h"
#include "base/text.h"
#include "io/random.h"

namespace hs::values {
namespace {

constexpr size_t lock_text_bytes_max = 1024;
constexpr int64_t lock_timeout_ms = 200;  // running() holds it for a moment
std::string lock_path(const std::string& directory) { return directory + "/pid"; }

}  // namespace

Result<std::unique_ptr<Service>> Service::start(const std::string& directory, io::Clock& clock) {
  HS_TRY(io::make_directories(directory));
  auto lock = io::FileLock::take_within(lock_path(directory), lock_timeout_ms);
  if (!lock && lock.error().code == Code::conflict)
    return fail(Code::conflict, fmt::format("another `homeostat values` serves {}", directory));
  if (!lock) return tl::unexpected(lock.error());
  HS_TRY(lock->write(fmt::format("{}\n", ::getpid())));
  return std::unique_ptr<Service>(
      new Service(directory, clock, std::move(*lock), to_hex(io::system_random().bytes(8))));
}

Service::Service(const std::string& directory, io::Clock& clock, io::FileLock lock, std::string run)
    : lock_(std::move(lock)),
      reader_(directory + "/state.json"),
      served_(std::move(run)),
      ofrep_(reader_, served_, clock, io::boot_id()) {
  reader_.poll();
  watcher_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

Service::~Service() = default;

void Service::watch(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  int64_t told = -1;
  while (!stop.stop_requested()) {
    const auto loaded = reader_.current();
    if (loaded && loaded->state().revision != told) {  // a renewed lease alone is no news
      told = loaded->state().revision;
      log::info("a new state is served", {{"revision", told}});
    }
    wake_.wait_for(lock, stop, std::chrono::milliseconds(state_poll_ms), [] { return false; });
    reader_.poll();
  }
}

http::Handler Service::handler() {
  return http::answer([this](const http::Request& request) { return ofrep_.respond(request); });
}

Status Service::announce(const std::string& address) {
  return lock_.write(fmt::format("{} {}\n", ::getpid(), address));
}

Result<Running> running(const std::string& directory) {
  HS_ASSIGN(const std::string text, io::read_file(lock_path(directory), lock_text_bytes_max));
  if (const auto lock = io::FileLock::try_take(lock_path(directory)); lock)
    return fail(Code::not_found, "no `homeostat values` is running");
  Running out;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.pid);
  if (error != std::errc() || out.pid <= 0) return fail(Code::unavailable, "the lock file of values names no process");
  std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
  while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\n')) rest.remove_prefix(1);
  while (!rest.empty() && rest.back() == '\n') rest.remove_suffix(1);
  out.address = rest;
  return out;
}

}  // namespace hs::values
