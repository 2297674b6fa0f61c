#pragma once
// A simulated application: services with instances and workers, peers that send no telemetry, users who come unevenly,
// and settings with hidden effects. Faults change its parameters (sim/faults.h); the loop never sees this file.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/declarations.h"
#include "sim/dice.h"

namespace hs::sim {

// What a knob really does. The loop only knows its declaration.
enum class Role : uint8_t {
  timeout,     // of an edge: how long the caller waits, ms
  retries,     // of an edge
  fallback,    // of an edge: answer without the call
  provider,    // of an edge: which of two peers is called
  pool,        // of an edge: connections of one caller instance
  cache,       // of an edge: share of calls answered without it
  shed_ms,     // of a service: queue time above which requests are refused
  rate_limit,  // of an operation: requests per user in 10 s above which they are refused
  frugal,      // of a service: does less work per request
  useless,     // nobody notices
  strict,      // of a service: refuses a share of good requests
  verbose,     // of a service: does more work per request
  toll         // of an edge: a fallback that others pay for (see Toll)
};

struct Setting {
  config::Knob knob;
  Role role = Role::useless;
  int edge = -1, service = -1;
};

struct Instance {
  double speed = 1;
  double flaky = 0;                     // share of its requests that fail; faults change it
  double stops_at = 0, goes_on_at = 0;  // a collection of garbage, a neighbour on the host
  std::vector<double> free_at;          // by worker, seconds
};

// What a setting of that role costs: half of the requests of an entry fail, or are answered and place no order.
struct Toll {
  int entry = -1;
  bool silent = false;
};

struct Service {
  std::string name, credential;
  bool traced = true;  // false: a peer
  double work_ms = 5, spread = 0.3;
  std::vector<Instance> instances;
  double noise_fail = 0;                 // always: nothing real is without errors ...
  double pauses_per_s = 0, pause_s = 0;  // ... or stalls of one instance
  std::string version = "1";
  // What faults change.
  double extra_ms = 0, fail = 0;
  double cursed = 0;              // share of users for whom it always fails
  double sick_instance_fail = 0;  // of the first instance
};

struct Operation {
  int service = 0;
  std::string name;
  std::vector<int> edges;
  double login_share = 0;  // > 0: refuses bad passwords
};

struct Edge {
  int from = 0, to = 0;  // operations
  int alternative = -1;  // operation of the other provider
  double timeout_ms = 2000;
  int64_t retries = 0;
  int64_t pool = 64;
  double pool_wait_ms = 1000;
  double cache_hit = 0;
  double cache_factor = 1;                              // faults: 0 = the cache is lost
  std::array<int, 6> settings{-1, -1, -1, -1, -1, -1};  // by Role timeout..cache
  std::vector<double> free_at;                          // of the pool's connections
};

struct Entry {  // an operation that users call
  int operation = 0;
  double per_s = 10;
  double good_ms = 500;
  std::string objective;
};

struct Span {
  uint32_t id = 0, parent = 0;  // within the request; parent 0: the request itself
  int operation = 0, instance = 0;
  uint8_t kind = 2;
  int callee = -1;                         // client: operation called
  double end = 0, ms = 0, waiting_ms = 0;  // waiting for calls
  bool error = false, denied = false, limited = false;
  bool own_error = false;  // and no call inside failed
  bool placed = false;     // an order
};
struct Reading {  // a knob was evaluated
  int setting = 0;
  uint32_t span = 0;    // inside which
  uint8_t variant = 0;  // 0 base, 1 candidate, 2 promoted
  int64_t revision = 0;
};
struct Request {
  uint64_t trace = 0, user = 0;
  int entry = 0;
  double start = 0, end = 0;
  bool error = false, denied = false, limited = false;
  bool attack = false, poisoned = false;
  uint32_t last_span = 0;
  std::vector<Span> spans;
  std::vector<Reading> readings;
};

// Who serves values: the twin of `values`, or a fixed assignment for counterfactuals.
class Answers {
 public:
  virtual ~Answers() = default;
  // For this user, by this instance of the setting's reader; writes down what was answered.
  virtual config::Value read(int setting, uint64_t user, int instance, Reading& reading) = 0;
};

struct App {
  std::vector<Service> services;
  std::vector<Operation> operations;
  std::vector<Edge> edges;
  std::vector<Entry> entries;
  std::vector<Setting> settings;
  std::optional<Crowd> crowd;
  int login = -1;  // entry that can be attacked
  Toll toll;
  std::vector<config::Kpi> kpis;
  uint64_t trace = 0;
  // What faults change.
  double load = 1;            // factor of arrivals
  double attack_per_s = 0;    // log-in attempts of attackers
  double poisoned_per_s = 0;  // requests of one user that always fail
  int user_retries = 0;       // how often a user whose request failed tries again, at once

  void heal();  // takes back what faults changed
  // Everything that arrives in [second, second + 1), in order of arrival.
  std::vector<Request> step(int64_t second, Dice& dice, Answers& answers);
  config::Declarations declarations() const;
  int reader_of(const Setting& setting) const;  // the service
  std::string name_of_instance(int service, int instance) const;
  // Whether the one who sent it was served well.
  bool good(const Request& request) const;
  // A probe of the first entry: whether it was answered well, and how fast.
  Request probe(double at, Dice& dice, Answers& answers);

 private:
  struct Arrival {
    double at = 0;
    int entry = 0;
    uint64_t user = 0, trace = 0;
    bool attack = false, poisoned = false;
    int attempt = 0;
    bool operator>(const Arrival& other) const { return at > other.at; }
  };
  struct Outcome {
    double end = 0;
    bool ok = true, denied = false, limited = false;
    bool call_failed = false, placed = false;
    double waiting_s = 0;
  };
  struct Context {
    Dice& dice;
    Answers& answers;
    Request& request;
    uint32_t parent = 0;  // the span that we are in
    int instance = 0;     // and the instance that works on it
  };
  template <class F>
  void arrivals(int64_t second, double per_s, Dice& dice, F&& arrival);
  void push(const Arrival& arrival);
  void pause(int64_t second, Dice& dice);
  void again(const Arrival& arrival, const Request& request, Dice& dice);
  Request arrive(const Arrival& arrival, Dice& dice, Answers& answers);
  Outcome serve(int operation, double at, Context& context);
  Outcome work(const Operation& op, Service& service, Instance& instance, double start, Context& context);
  Outcome call(int edge, double at, Context& context);
  Outcome attempt(Edge& edge, int to, double at, double timeout_ms, Context& context);
  bool pays_toll(const Operation& op, Context& context);
  bool over_limit(int setting, double at, Context& context);
  int setting_of(Role role, int service) const;
  config::Value value(int setting, Context& context);
  std::vector<std::pair<uint64_t, double>> recent_logins_;  // user, time
  std::vector<Arrival> queue_;                              // a heap, the soonest first
};

// A random application of 4 to 9 services.
App make_app(Dice& dice);
// What is fast enough, is what is usual now, with room.
void calibrate(App& app, Dice dice);
// Gives every service, operation, knob and objective a name that says nothing.
void rename(App& app, uint64_t seed);

double number(const config::Value& value);

}  // namespace hs::sim
