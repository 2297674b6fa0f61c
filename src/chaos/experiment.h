#pragma once
// An experiment in Chaos Toolkit's format, checked whole before anything runs. Pure.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/http_message.h"
#include "chaos/fault.h"
#include "chaos/hosts.h"
#include "chaos/tolerance.h"

namespace hs::chaos {

// Real experiments have some kilobytes and a dozen activities.
inline constexpr size_t experiment_bytes_max = 256 * 1024;
inline constexpr size_t activities_max = 100;  // of each list
inline constexpr size_t nesting_max = 32;      // of the JSON document
inline constexpr int64_t pause_max_ms = 3'600'000;
inline constexpr int64_t http_timeout_default_ms = 10'000;
inline constexpr int64_t http_timeout_max_ms = 60'000;
inline constexpr int64_t check_every_default_ms = 1'000;

// {"type": "http", "url", "method", "headers", "arguments", "expected_status", "timeout"}: to chaos.hosts only.
struct HttpCall {
  io::Url url;
  std::string method = "GET";
  http::Headers headers;
  std::string body;
  std::vector<int64_t> expected_status;  // empty: any
  int64_t timeout_ms = http_timeout_default_ms;
};
// {"type": "homeostat", "fault": "latency", "proxy": "...", "lease": "60s", and the fault's own fields}
struct InjectFault {
  Fault fault;
};
// {"type": "homeostat", "clear": "proxy"} or "clear": "all": faults of this experiment, never those of others.
struct ClearFaults {
  std::string proxy;  // "": all
};
using Provider = std::variant<HttpCall, InjectFault, ClearFaults>;

struct Activity {
  bool is_probe = false;
  std::string name;
  Provider provider;
  std::optional<Tolerance> tolerance;  // of a probe
  int64_t pause_before_ms = 0, pause_after_ms = 0;
  json::Json source;  // as written, for the journal
};

struct Experiment {
  std::string title, description;
  std::string hypothesis_title;
  std::vector<Activity> hypothesis, method, rollbacks;
  // extensions: [{"name": "homeostat", "guards": [probes], "check_every": seconds}]: what must hold during the method;
  // when it does not, the experiment is aborted and rolled back.
  std::vector<Activity> guards;
  int64_t check_every_ms = check_every_default_ms;
  // runtime.hypothesis.strategy, as Chaos Toolkit names them.
  bool check_before = true, check_during = false, check_after = true;
  bool fail_fast = false;  // runtime.hypothesis.fail_fast: a deviation during the method ends it
  json::Json source;
  std::vector<std::string> notes;  // what is understood differently from Chaos Toolkit
};

struct ExperimentContext {
  const HostList& hosts;
  std::span<const config::Proxy> proxies;  // what a fault may be put on
  bool check_proxies = true;               // false: unknown here (validating without a server)
  std::function<std::optional<std::string>(const std::string&)> environment;  // unset: {"type": "env"} is refused
};

// All problems at once, one a line: where, what, what to write instead. Providers that run code (process, python) are
// refused by name.
Result<Experiment> parse_experiment(std::string_view text, const ExperimentContext& context);

}  // namespace hs::chaos
