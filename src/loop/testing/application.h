#pragma once
// An application to be understood: a random call graph that serves requests one by one and reports them as spans, with
// faults to be injected. It knows nothing of how detection and explanation work, and they know nothing of it; both only
// meet in batches of spans.

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "loop/testing/dice.h"
#include "model/batch.h"

namespace hs::loop::testing {

enum class Disturbance : uint8_t {
  service_errors,   // a service fails by itself
  service_slow,     // its own work takes longer
  service_hangs,    // it takes requests and never answers: callers run into their timeouts
  service_down,     // connections are refused
  instance_errors,  // one instance of several fails
  instance_slow,
  peer_slow,  // something without spans of its own: a database, a cache, a third party
  peer_errors,
  edge_slow,         // the network between two services
  pool_exhausted,    // requests queue inside a service before they call
  bad_deploy,        // a new version that fails or is slow, announced in resource attributes
  cache_lost,        // a cheap call misses and a dear one is made far more often
  retry_storm,       // a callee fails now and then, and a caller starts to repeat many times
  overload,          // more requests than a service can bear
  attack,            // log-ins that are denied, from many addresses
  operation_errors,  // one operation of several fails
  operation_slow,
  instance_hangs,  // one instance of several takes requests and never answers
};
inline constexpr int disturbances = 18;
std::string name_of(Disturbance d);

struct Fault {
  Disturbance kind = Disturbance::service_errors;
  int service = 0;    // index
  int peer = -1;      // peer_*: index of the callee; edge_*: the callee service
  int instance = 0;   // instance_*
  int operation = 0;  // operation_*
  double from_s = 0, to_s = 1e9;
  double strength = 1;
};

struct Step {                        // one call that an operation makes
  int service = -1, operation = -1;  // of a traced callee
  int peer = -1;                     // or an untraced one
  double probability = 1;
  bool mandatory = true;  // its failure fails the request
  int retries = 0;
  double timeout_ms = 1000;
  bool cached = false;  // made only when the cache before it misses
};
struct Operation {
  std::string name;
  double self_ms = 5, sigma = 0.4;
  std::vector<Step> steps;
};
struct Service {
  std::string name;
  int instances = 1;
  double capacity = 1e9;  // requests a second
  double arrivals = 0;    // of the running second: what queueing is computed from
  double load = 0;        // the last second's arrivals
  std::string version = "1.0";
  std::vector<Operation> operations;
};
struct Peer {
  std::string name, system;
  double ms = 2;
};

struct Options {
  uint64_t seed = 1;
  int services = 10;
  double requests_per_s = 40;
  double error_rate = 0.001;  // of every operation, always
  double export_ms = 1000;
};

// What arrives at a receiver within one second.
struct Delivery {
  UnixNanos at = 0;
  model::Batch batch;
};

class Application {
 public:
  explicit Application(const Options& options);
  // Serves second `second` (since the start) and returns what its exporters deliver in it.
  std::vector<Delivery> run(int64_t second);
  void inject(const Fault& fault) { faults_.push_back(fault); }
  void set_load(double factor) { load_factor_ = factor; }
  // A fault that this graph can have, with the right answer for the judge: the entities that name its cause.
  struct Case {
    Fault fault;
    std::vector<std::string> truth;  // any of these at rank 1 is right
    bool visible = true;             // enough requests pass there to be seen
  };
  Case draw(Disturbance kind, double from_s);
  const std::vector<Service>& services() const { return services_; }
  const std::vector<Peer>& peers() const { return peers_; }
  int login_service() const { return login_; }
  double visits(int service) const { return visits_[static_cast<size_t>(service)]; }  // expected per request
  static constexpr int64_t epoch_s = 1'800'000'000;

 private:
  struct Spanned {  // a finished span, waiting for its exporter
    int service = 0, instance = 0;
    uint8_t kind = 2, status = 0;
    model::TraceId trace{};
    uint64_t id = 0, parent = 0;
    double start_ms = 0, end_ms = 0;
    std::string name, system, address;
    int http = 0;
    std::string subject;
  };
  struct Answer {
    double end_ms = 0;
    bool failed = false, answered = true, denied = false;
  };
  struct Request {
    model::TraceId trace{};
    std::string subject;
    bool attacker = false;
  };
  void build_services();
  void build_steps();
  void build_peers();
  void serve_entry(double at_ms, bool attacker);
  Answer serve(const Request& request, int service, int operation, double at_ms, uint64_t parent);
  Answer call(const Request& request, int service, int instance, const Step& step, double at_ms, uint64_t parent);
  Answer reach(const Request& request, int service, const Step& step, double at_ms, uint64_t span);
  const Fault* active(Disturbance kind, int service, double at_ms) const;
  double self_ms(const Service& s, int index, int operation, int instance, double at_ms);
  bool fails_itself(int index, int operation, int instance, double at_ms);
  double queueing(const Service& s) const;
  void estimate_visits();
  model::Batch to_batch(int service, int instance, const std::vector<Spanned>& spans);
  int busy_service(bool inner, bool with_peer, bool with_instances);
  bool draw_operation(Case& c);
  std::string word();
  std::string address_of(int service) const;

  Options options_;
  Dice dice_;
  std::vector<Service> services_;
  std::vector<Peer> peers_;
  std::vector<std::pair<int, int>> entries_;  // (service, operation)
  std::vector<Fault> faults_;
  std::vector<double> visits_;
  std::vector<std::vector<double>> operation_visits_;       // by service, operation
  std::vector<std::vector<std::vector<Spanned>>> pending_;  // by service, instance
  std::vector<std::pair<double, std::string>> denials_;     // log lines of the log-in service: (time, body)
  int login_ = 0, login_operation_ = 0;
  double load_factor_ = 1;
  uint64_t next_id_ = 1;
};

}  // namespace hs::loop::testing
