#include "app/observer.h"

#include <algorithm>

#include "base/log.h"
#include "values/served.h"

namespace hs::app {
namespace {

constexpr int64_t served_poll_ms = 1'000;
constexpr int64_t served_timeout_ms = 500;  // it answers from memory on this machine

stream::Served to_stream(const values::ServedCount& count) {
  return {.knob = count.knob,
          .variant = std::string(values::name_of(count.variant)),
          .revision = count.revision,
          .count = count.count + count.bulk};
}

}  // namespace

Observer::Observer(io::Http& http, io::Clock& clock, std::string values_address)
    : http_(http), clock_(clock), values_address_(std::move(values_address)) {
  if (!values_address_.empty()) poller_ = std::jthread([this](const std::stop_token& stop) { poll_served(stop); });
}

Observer::~Observer() = default;  // jthreads ask to stop and join

void Observer::declare(const std::vector<config::Probe>& probes) {
  probes_.clear();
  const size_t count = std::min(probes.size(), probes_max);
  if (count < probes.size()) log::warn("too many probes: the last ones do not run", {{"max", probes_max}});
  for (size_t i = 0; i < count; ++i)
    probes_.emplace_back([this, probe = probes[i]](const std::stop_token& stop) { run_probe(probe, stop); });
}

void Observer::fill(stream::Frame& frame) {
  const std::lock_guard lock(mutex_);
  frame.probes = std::move(results_);
  results_.clear();
  frame.served = served_;
}

bool Observer::pause(int64_t ms, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, std::chrono::milliseconds(ms), [] { return false; });
  return !stop.stop_requested();
}

void Observer::run_probe(const config::Probe& probe, const std::stop_token& stop) {
  const auto url = io::parse_url(probe.url);
  if (!url) {
    log::error("a probe's URL cannot be used", {{"probe", probe.name}, {"why", url.error().message}});
    return;
  }
  do {
    const MonoNanos started = clock_.mono();
    const auto answer = http_.request(url->endpoint, {.target = url->target},
                                      {.timeout_ms = probe.timeout_ms, .body_bytes_max = 65'536, .cancel = stop});
    stream::ProbeResult result{.second = clock_.wall() / nanos_per_s, .name = probe.name, .service = probe.service};
    result.ok = answer && answer->status >= 200 && answer->status < 300;
    result.duration_ms = static_cast<double>(clock_.mono() - started) / 1e6;
    const std::lock_guard lock(mutex_);
    if (results_.size() < results_max) results_.push_back(std::move(result));
  } while (pause(probe.interval_ms, stop));
}

void Observer::poll_served(const std::stop_token& stop) {
  const auto endpoint = io::parse_endpoint(values_address_);
  if (!endpoint) return;
  do {
    const auto answer =
        http_.request(*endpoint, {.target = "/v1/served"}, {.timeout_ms = served_timeout_ms, .cancel = stop});
    const auto report = answer && answer->status == 200 ? values::decode_served(answer->body)
                                                        : fail(Code::unavailable, "values does not answer");
    const std::lock_guard lock(mutex_);
    served_.clear();  // an old count would corroborate what is not so any more
    if (report) std::transform(report->counts.begin(), report->counts.end(), std::back_inserter(served_), to_stream);
  } while (pause(served_poll_ms, stop));
}

}  // namespace hs::app
