#pragma once
// What a team declares about its application: objectives, KPIs, knobs, probes, chaos targets. Plain values, parsed
// and checked by config/ (names exist, ranges hold the base, expectations name real metrics); read by loop/ and
// values/.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace hs::config {

enum class ObjectiveKind : uint8_t { availability, latency };
struct Objective {
  std::string name;  // unique; default "<service>/<operation> <kind>"
  std::string service;
  std::string operation;  // span name of the entry span; "" means every operation of the service
  ObjectiveKind kind = ObjectiveKind::availability;
  double target = 0.99;                   // share of requests that must be good
  int64_t threshold_ms = 500;             // latency: good means faster than this
  int64_t window_ms = 30LL * 86'400'000;  // error-budget window, for burn rates
};

enum class KpiKind : uint8_t { counter, ratio, quantile };
enum class KpiDirection : uint8_t { higher_is_better, lower_is_better };
struct Kpi {  // any counter, ratio or quantile of telemetry that the team cares about
  std::string name;
  KpiKind kind = KpiKind::counter;         // counter: events a minute
  std::string source = "spans";            // spans | logs | metric
  std::string service, operation;          // spans: what is counted
  std::string metric;                      // metric: name
  std::string attribute, value;            // optional filter attribute == value
  std::string good_attribute, good_value;  // ratio: numerator filter
  double quantile = 0.95;
  KpiDirection direction = KpiDirection::higher_is_better;
  std::optional<double> target;
};

using Value = std::variant<bool, int64_t, double, std::string>;  // a knob's value
enum class KnobType : uint8_t { boolean, integer, real, string };
enum class KnobScope : uint8_t { request, instance, service };  // what one evaluation decides for
enum class KnobEffect : uint8_t { isolated, shared };           // does the effect stay inside the treated share?
enum class Applies : uint8_t { live, at_start };
enum class Measure : uint8_t { errors, latency, load };

// "Raising this knob lowers the errors of checkout's POST /orders." Never a fault's name.
struct Expectation {
  std::string service, operation;  // operation "" = every operation of the service
  Measure measure = Measure::errors;
  std::string when = "raised";  // raised | lowered | enabled | disabled | a variant's text
  bool improves = true;         // the measure goes down (better) or up (worse)
};

struct Knob {
  std::string key;
  KnobType type = KnobType::boolean;
  Value base;
  std::optional<double> min, max, step;  // integer, real
  std::vector<Value> variants;           // string (required), and any type: the only values allowed
  std::vector<std::string> services;     // who reads it
  std::string dependency;                // optional: the downstream service or peer that it is about
  KnobScope scope = KnobScope::request;
  KnobEffect effect = KnobEffect::isolated;
  Applies applies = Applies::live;
  std::vector<Expectation> expect;
  std::string description;
};

std::string to_text(const Value& value);  // canonical: true, 5, 2.5, the string itself

struct Probe {            // something that we observe ourselves: corroboration that no sender of telemetry can forge
  std::string name, url;  // http://host:port/path, GET
  std::string service;    // whose health it tells
  int64_t interval_ms = 1000, timeout_ms = 1000;
};

struct Proxy {  // a fault proxy (chaos.enabled): callers connect to `listen` instead of `upstream`
  std::string name, listen, upstream;  // host:port
  std::string protocol = "tcp";        // tcp | http
};

struct Declarations {
  std::vector<Objective> objectives;
  std::vector<Kpi> kpis;
  std::vector<Knob> knobs;
  std::vector<Probe> probes;
  std::vector<Proxy> proxies;
};

}  // namespace hs::config
