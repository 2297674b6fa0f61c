#pragma once
// What the stream tells the loop, once a tick (1 s): plain values, recordable, replayable. A cell carries the second
// that its data belong to, so late and out-of-order data land in their own window: a consumer adds cells of the same
// key and second. Seconds in which a known key is silent are not sent: the consumer fills them with zeros.

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "stream/sketch.h"

namespace hs::stream {

inline constexpr size_t cells_per_tick_max = 20'000;     // beyond: merged under operation "other", counted
inline constexpr size_t outcomes_per_tick_max = 20'000;  // beyond: whole units are left out by hash, counted

inline constexpr size_t calls_per_tick_max = 5'000;  // beyond: left out, counted
inline constexpr size_t alerts_per_tick_max = 200;   // more than anybody reads; beyond: left out, the youngest first

// A request to look at: one that failed, or one that took far longer than usual in its place. For people and links;
// nothing is decided by it.
struct Example {
  std::string trace;    // its id, 32 hexadecimal digits
  bool failed = false;  // an error, or denied; else it is a slow one
  bool marked = false;  // its span has the status "error", not only a code or an exception
  double duration_ms = 0;
};

// Requests of one (service, operation, instance) by span kind in one second of event time.
struct Cell {
  int64_t second = 0;  // Unix second of the span's end
  std::string service, operation, instance;
  uint8_t kind = 2;        // OTLP span kind: 2 server, 3 client, 4 producer, 5 consumer
  std::string peer;        // client/producer: the callee service if resolved, else the peer's name (see Call::callee)
  std::string credential;  // name of the ingest credential that sent them, part of the key: one sender's story is
                           // never mixed with another's, so that a forger cannot borrow a witness
  double count = 0, errors = 0;        // weighted by sampling probability
  double own_errors = 0;               // server/consumer: errors of spans inside which no call failed
  double denied = 0;                   // answered 401 or 403 (gRPC 7, 16): not errors of the server, a sign of abuse
  double limited = 0;                  // answered 429 (gRPC 8)
  double regular = 0;                  // of those who were well served there before (regulars.h) ...
  double regular_limited = 0;          // ... and turned away now
  double self_ms = 0, waiting_ms = 0;  // sums: own work against time inside client spans. A correction for a call
                                       // that arrived after its caller moves time from self to waiting
  uint32_t spans = 0;                  // how many spans were seen: what the weighted count rests on
  uint32_t subjects = 0;               // distinct client addresses or users among them, estimated; 0: none named
  Sketch duration_ms;                  // relative error <= 1 %
  std::vector<Example> examples;       // at most one that failed and one that was slow
};

// Calls from one operation to one callee, as seen inside the caller's finished server or consumer spans. A callee that
// answers (or is heard of) after its caller comes as another Call of the same second: joined, with a count of 0.
struct Call {
  int64_t second = 0;                    // of the caller's end
  std::string service, operation;        // the caller
  std::string callee, callee_operation;  // a traced service and its operation, else the peer's name ("redis",
                                         // "127.0.0.1:9000") and the client span's name
  bool traced = false;                   // the callee sends spans of its own
  bool async = false;                    // a message: nobody waits for the callee
  double count = 0, errors = 0;          // count against the caller's requests shows retries and fan-out
  double total_ms = 0;                   // sum of the client spans' durations
  double offset_ms = 0;                  // sum of (call's start - caller's start): the order of calls
  double joined = 0;                     // of `count`: calls whose callee's span is known too ...
  double joined_ms = 0, callee_ms = 0;   // ... their client and server durations: the difference is the edge's own
  double answered_errors = 0;            // of `errors`: the callee's span is known too ...
  double callee_errors = 0;              // ... and it was an error of the callee's as well
};

// A server or consumer span of a trace in which a knob was evaluated: the evidence for verification. Joined by trace,
// also when another service evaluated the knob. Each (span, knob) comes once, when both sides are known.
struct Outcome {
  int64_t second = 0;
  uint64_t trace = 0;  // hash of the trace id; a retry of one request shares it
  uint64_t unit = 0;   // hash of feature_flag.context.id (a user), else of the instance and the 5-s block
  std::string knob;
  bool by_instance = false;                  // the unit is an instance's block: compare the instance with its own past
  int64_t revision = 0;                      // feature_flag.version that the application saw; 0: unknown
  std::string variant;                       // base | candidate | promoted, as the application saw it
  std::string service, operation, instance;  // of the span
  std::string reader;                        // the instance that evaluated the knob; the first one known, of several
  std::string credential;                    // who sent the span
  bool entry = false;                        // the span has no traced parent: the request as its sender saw it
  bool message = false;                      // of a consumer: nobody waits for it
  bool error = false, denied = false, limited = false;  // as in Cell
  bool regular = false;                                 // of one who was well served there before
  UnixNanos started = 0;  // of the span: requests begun before a change prove nothing about it
  double duration_ms = 0;
  double weight = 1;
};

struct LogCell {  // log records of one service in one second, by severity and template
  int64_t second = 0;
  std::string service, instance;
  uint8_t severity = 0;
  uint64_t template_id = 0;
  std::string pattern;     // the template's text, variables as <*>
  std::string credential;  // who sent them
  double count = 0;
  uint64_t subjects = 0;  // distinct client addresses or users among them, estimated; 0: none named
  std::string trace;      // of one of them that is a warning or worse: its trace's id; "": none names one
};

struct KpiPoint {
  int64_t second = 0;
  std::string name;
  double numerator = 0, denominator = 0;
  Sketch values;  // quantile KPIs
};

// What we saw ourselves: independent of every sender of telemetry.
struct ProbeResult {
  int64_t second = 0;
  std::string name, service;
  bool ok = true;
  double duration_ms = 0;
};
// An alert of the team's rules that fires. Its labels may be telemetry's words: it is shown, and nothing is decided by
// it.
struct FiringAlert {
  std::string id;  // of this episode, the same after a restart
  std::string name, service;
  std::string labels;     // {alertname="..", ..}
  std::string rule_from;  // group and file
  double value = 0;       // at the last evaluation
  UnixNanos since = 0;    // its condition holds
};
struct Served {  // evaluations answered by `homeostat values`, cumulative
  std::string knob, variant;
  int64_t revision = 0;
  uint64_t count = 0;
};
struct ConfigSeen {  // telemetry shows a value of a knob: to notice code defaults that differ from the base
  std::string knob, service, instance, variant, reason, value;
};
struct RecentChange {  // a deploy, a restart, a configuration change seen in telemetry or told through the API
  int64_t second = 0;
  std::string service, kind, detail;  // kind: deploy | restart | config | knob (detail: the knob's key)
  std::string credential;             // who told us
};

struct Frame {
  UnixNanos tick = 0;  // end of the tick, wall clock
  std::vector<Cell> cells;
  std::vector<Call> calls;
  std::vector<Outcome> outcomes;
  std::vector<LogCell> logs;
  std::vector<KpiPoint> kpis;
  std::vector<ProbeResult> probes;
  bool alerts_told = false;  // false: the rules were not asked yet; nothing is known of alerts
  std::vector<FiringAlert> alerts;
  std::vector<Served> served;
  std::vector<ConfigSeen> seen;
  std::vector<RecentChange> changes;
  uint64_t shed = 0;  // items not counted because a bound was reached: evidence is weaker
  // Which ingest credentials contributed spans in this tick, by service: corroboration needs two, or one of our own
  // observations.
  std::vector<std::pair<std::string, std::string>> service_credentials;
};

}  // namespace hs::stream
