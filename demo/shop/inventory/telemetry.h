#pragma once
// OTLP/HTTP in its JSON form, and OFREP, by hand.

#include <nlohmann/json.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "http.h"

namespace shop {

using Json = nlohmann::json;

int64_t unix_nanos();
std::string environment(const char* name, const std::string& fallback = "");
// SHOP_NAMES may rename services, operations, knobs and metrics: nothing depends on what they are called.
std::string named(const std::string& kind, const std::string& name);

struct Event {
  int64_t at = 0;
  Json attributes;
};
struct Span {
  std::string trace, id, parent, state, name;
  bool sampled = true;
  int64_t start = 0, end = 0;
  int status = 0;  // of the HTTP answer
  std::vector<Event> evaluations;
};
Span server_span(const Request& request, const std::string& name);

// Collects and sends once a second. Bounded: beyond `waiting_max` records are dropped and counted.
class Telemetry {
 public:
  Telemetry();
  void add(const Span& span);
  void log(const std::string& severity, const std::string& text, const Span& span);
  void gauge(const std::string& name, double value);
  void set_level(const std::string& name);
  void run();  // never returns

 private:
  void send(const std::string& path, const char* outer, const char* inner, const char* list, Json records);
  Client client_;
  std::string headers_;
  Json resource_;
  std::mutex mutex_;
  std::vector<Json> spans_, logs_;
  std::map<std::string, double> gauges_;
  std::atomic<int> level_ = 9;
  uint64_t dropped_ = 0;
};

// The knobs of this instance: evaluated once a second, within 100 ms each; the code default holds when nobody answers.
class Knobs {
 public:
  explicit Knobs(std::string instance);
  int64_t integer(const std::string& key, int64_t fallback);
  std::string text(const std::string& key, const std::string& fallback);
  void record(Span& span) const;
  std::string evaluations() const;  // what was seen, second by second: to look at when the values server is ill

 private:
  Json evaluate(const std::string& key, const Json& fallback);
  Client client_;
  std::string path_, instance_;
  mutable std::mutex mutex_;
  std::map<std::string, Json> latest_;
  std::map<int64_t, Json> seen_;  // of the last 180 seconds
};

}  // namespace shop
