#include "chaos/faults.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "base/text.h"

namespace hs::chaos {

void Faults::declare(std::vector<config::Proxy> proxies) {
  {
    const std::lock_guard lock(mutex_);
    proxies_ = std::move(proxies);
  }
  end_where([&](const Fault& f) { return !check(f, proxies_); });
}

std::vector<config::Proxy> Faults::proxies() const {
  const std::lock_guard lock(mutex_);
  return proxies_;
}

Result<std::string> Faults::inject(const Fault& wanted) {
  Fault fault = wanted;
  tick();
  {
    const std::lock_guard lock(mutex_);
    HS_TRY(check(fault, proxies_));
    const auto same =
        std::count_if(faults_.begin(), faults_.end(), [&](const Fault& f) { return f.proxy == fault.proxy; });
    if (faults_.size() >= faults_max || static_cast<size_t>(same) >= faults_per_proxy_max)
      return fail(Code::resource_exhausted,
                  fmt::format("too many faults at once (at most {} on a proxy, {} altogether); clear some",
                              faults_per_proxy_max, faults_max));
    fault.lease_ms = std::clamp<int64_t>(fault.lease_ms, 1, lease_max_ms);
    fault.started = clock_.wall();
    fault.ends = clock_.mono() + fault.lease_ms * nanos_per_ms;
    fault.id = fmt::format("fault-{}-{}", fault.started / nanos_per_ms, ++injected_);
    faults_.push_back(fault);
  }
  log::warn("fault injected", {{"id", fault.id},
                               {"proxy", fault.proxy},
                               {"kind", name_of(fault.kind)},
                               {"lease", format_duration_ms(fault.lease_ms)}});
  tell({fault}, 0);
  return fault.id;
}

Status Faults::clear(std::string_view id) {
  if (end_where([&](const Fault& f) { return f.id == id; }) > 0) return {};
  return fail(Code::not_found, fmt::format("no fault '{}' is on", printable(id, 64)));
}

size_t Faults::clear_all() {
  return end_where([](const Fault&) { return true; });
}

void Faults::tick() {
  const MonoNanos now = clock_.mono();
  end_where([&](const Fault& f) { return now >= f.ends; });
}

template <class P>
size_t Faults::end_where(P matches) {
  std::vector<Fault> ended;
  {
    const std::lock_guard lock(mutex_);
    std::vector<Fault> kept;
    for (Fault& f : faults_) (matches(f) ? ended : kept).push_back(std::move(f));
    faults_ = std::move(kept);
  }
  for (const Fault& f : ended) log::info("fault ended", {{"id", f.id}, {"proxy", f.proxy}, {"kind", name_of(f.kind)}});
  tell(ended, clock_.wall());
  return ended.size();
}

void Faults::tell(const std::vector<Fault>& faults, UnixNanos ended) const {
  if (!told_) return;
  for (const Fault& f : faults) told_({f.id, f.proxy, f.service, std::string(name_of(f.kind)), f.started, ended});
}

std::vector<Fault> Faults::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<Fault> out;
  const MonoNanos now = clock_.mono();
  std::copy_if(faults_.begin(), faults_.end(), std::back_inserter(out), [&](const Fault& f) { return now < f.ends; });
  return out;
}

std::vector<Fault> Faults::active(std::string_view proxy) const {
  const std::lock_guard lock(mutex_);
  std::vector<Fault> out;
  if (faults_.empty()) return out;  // the common case costs no look at the clock
  const MonoNanos now = clock_.mono();
  std::copy_if(faults_.begin(), faults_.end(), std::back_inserter(out),
               [&](const Fault& f) { return f.proxy == proxy && now < f.ends; });
  return out;
}

ConnectionEffect Faults::connection(std::string_view proxy, double draw) const {
  return connection_effect(active(proxy), draw, random_);
}

RequestEffect Faults::request(std::string_view proxy) const { return request_effect(active(proxy), random_); }

}  // namespace hs::chaos
