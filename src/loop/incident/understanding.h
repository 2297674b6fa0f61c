#pragma once
// What is wrong, since when, where it comes from: frames in, incidents with ranked causes out. The first half of the
// loop, and as pure as the rest: no clock, no IO, no randomness; the same events give the same incidents. One thread.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/metrics.h"
#include "base/time.h"
#include "config/declarations.h"
#include "loop/types.h"
#include "stream/frame.h"

namespace hs::loop {

inline constexpr int64_t reopen_hold_s = 60;         // an incident that comes back within it is the same one
inline constexpr int64_t accept_after_s = 12;        // of a verified repair: what it costs is the new normal
inline constexpr size_t incidents_kept_max = 2'000;  // closed ones, for /v1/incidents and KPIs; the oldest go first

// A disturbance that chaos injected. Only KPIs and Incident::injected know it; nothing that detects or explains does.
struct InjectedFault {
  std::string id, service, kind;
  UnixNanos started = 0, ended = 0;  // ended 0: still on
};

// Something happened to an incident in this step.
struct News {
  enum class Kind : uint8_t { opened, explained, changed, reopened, restored, closed, merged, alerted };
  Kind kind = Kind::opened;
  std::string incident;
  std::string into;  // merged: the incident that it turned out to be part of
};
std::string_view name_of(News::Kind);

class Understanding {
 public:
  Understanding();
  ~Understanding();
  Understanding(Understanding&&) noexcept;
  Understanding& operator=(Understanding&&) noexcept;

  // Once a frame. Times are event times; everything that happens in the step is stamped frame.tick.
  std::vector<News> step(const stream::Frame& frame, const config::Declarations& declarations);

  // Told by the loop: a change that it made itself, or that somebody announced through the API.
  void note(const stream::RecentChange& change);
  void injected(const InjectedFault& fault);
  void acted(std::string_view incident, std::string_view change, UnixNanos at);
  void verified(std::string_view incident, std::string_view change, UnixNanos at);
  void decided(std::string_view incident, std::string decision);

  // Open ones and those within their hold, the oldest first. Valid until the next step.
  std::vector<const Incident*> current() const;
  const Incident* find(std::string_view id) const;  // also closed ones
  // The symptoms that are going on now.
  std::vector<const Symptom*> symptoms() const;
  const std::deque<InjectedFault>& faults() const;  // the oldest first
  struct Judged {                                   // an objective, or a KPI with a target, by what was counted
    std::string name;
    bool holds = true;  // no symptom of it is going on
    double burn_5m = 0, burn_1h = 0, burn_6h = 0;
    double bad = 0, n = 0;  // requests since the start
  };
  std::vector<Judged> judged() const;

  // JSON for /v1/incidents (newest first; `cursor` is the last id of the page before), one incident, /v1/kpis and
  // /v1/objectives.
  std::string incidents_json(size_t limit, std::string_view cursor, std::string_view state = "") const;
  Result<std::string> incident_json(std::string_view id) const;
  std::string kpis_json(UnixNanos now) const;
  std::string objectives_json() const;
  void samples(std::vector<metrics::Sample>& out) const;

  // Everything that a restart must not forget, as JSON; restore() replaces the whole state or changes nothing.
  std::string snapshot() const;
  Status restore(std::string_view snapshot);
  // What the detectors learned, as bytes; restored before the first step, and only when it is not old at `at`.
  std::string baselines() const;
  Status restore_baselines(std::string_view baselines, UnixNanos at);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hs::loop
