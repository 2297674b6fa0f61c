#pragma once
// How late a service's telemetry comes. An SDK exports each second or each ten (its default is five), and what did not
// come yet is not silence: whoever compares what came with what was to be expected looks only at seconds that are
// older than this. The same for each KPI: SDKs export metrics each minute. Pure; under a kilobyte for each.

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "stream/frame.h"

namespace hs::loop {

inline constexpr int64_t arrival_max_s = 90;           // who is further behind is not waited for
inline constexpr size_t arrival_services_max = 4'000;  // beyond: a new one is taken to be as late as one second

class Arrivals {
 public:
  void add(const stream::Frame& frame);
  // Whole seconds after which nearly all of what came lately had come, at least 1. Unknown services: 1.
  int64_t delay_s(const std::string& service) const;
  int64_t kpi_delay_s(const std::string& kpi) const { return delay_s(name_of_kpi(kpi)); }

 private:
  static std::string name_of_kpi(const std::string& kpi) { return "kpi\n" + kpi; }  // no service has such a name
  void add(const std::string& name, int64_t age_s, double weight);
  struct Ages {
    std::array<double, arrival_max_s + 1> spans{};  // by seconds between their end and the frame that brought them
  };
  std::map<std::string, Ages> services_;
};

}  // namespace hs::loop
