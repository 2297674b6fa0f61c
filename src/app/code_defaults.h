#pragma once
// Code defaults that telemetry shows: what an application uses when `values` does not answer. One that differs from the
// knob's base means that losing us changes the application (DESIGN, law 5), so it is told while all is well: in
// /v1/knobs, as a metric and once in the log.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/metrics.h"
#include "config/declarations.h"
#include "stream/frame.h"

namespace hs::app {

// One thread.
class CodeDefaults {
 public:
  static constexpr size_t kept_max = 10'000;  // (knob, service) pairs; beyond it new ones are not looked at

  // An evaluation without one of our variants was answered by the application's own default.
  void see(const std::vector<stream::ConfigSeen>& seen, const std::vector<config::Knob>& declared, UnixNanos at);
  // Of one knob: [{"service", "instance", "value", "at", "differs"}], judged against the base as it is declared now.
  nlohmann::json of(const config::Knob& knob) const;
  size_t differing(const std::vector<config::Knob>& declared) const;

 private:
  struct Default {
    std::string value, instance;
    UnixNanos at = 0;
  };
  std::map<std::pair<std::string, std::string>, Default> known_;  // by knob and service
};

}  // namespace hs::app
