#pragma once
// The recent past of everything that is watched, second by second, and what is usual for it. Detection and explanation
// read the same numbers.

#include <array>
#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "loop/arrival.h"
#include "loop/detect/sequential.h"
#include "stream/frame.h"
#include "stream/sketch.h"

namespace hs::archive {
class Writer;
class Reader;
}  // namespace hs::archive

namespace hs::loop {

inline constexpr int64_t remembered_s = 128;  // of single seconds: an onset is looked for no further back
inline constexpr size_t tracks_max = 4'000;   // of each kind; about 15 kB each. Beyond: not watched, counted
inline constexpr size_t baselines_bytes_max = 32UL << 20;  // saved; beyond it the last tracks are learned anew
inline constexpr int64_t baselines_age_max_s = 3'600;      // what is usual fades in a quarter of an hour
inline constexpr int64_t idle_track_s = 3'600;             // a track that is silent for so long makes room

struct OperationKey {  // operation "": all of the service's answers
  std::string service, operation;
  auto operator<=>(const OperationKey&) const = default;
};
struct EdgeKey {  // all calls of a service to a peer
  std::string service, peer;
  auto operator<=>(const EdgeKey&) const = default;
};
struct InstanceKey {
  std::string service, instance;
  auto operator<=>(const InstanceKey&) const = default;
};
struct CallKey {  // calls inside one operation to one operation of a callee
  std::string service, operation, callee, callee_operation;
  auto operator<=>(const CallKey&) const = default;
};

inline constexpr size_t slow_limits_max = 4;  // two learned ones and two declared

// Sums of one second, or of any number of them.
struct Sums {
  double n = 0, spans = 0, errors = 0, own_errors = 0, denied = 0, limited = 0;
  double total_ms = 0, self_ms = 0, waiting_ms = 0;
  std::array<double, slow_limits_max> slow{};  // slower than the track's slow_limits[i]
  double subjects = 0;                         // sum over seconds of the distinct subjects in each
  void add(const Sums& other);
  void scale(double factor);
  double per_request(double sum) const { return n > 0 ? sum / n : 0; }
};

struct CallSums {
  double n = 0, errors = 0, total_ms = 0, offset_ms = 0, joined = 0, joined_ms = 0, callee_ms = 0;
  double answered_errors = 0, callee_errors = 0;
  void add(const CallSums& other);
  void scale(double factor);
};

// The last remembered_s seconds of anything that can be added.
template <class S>
class Ring {
 public:
  S& at(int64_t second) {
    Slot& slot = slots_[static_cast<size_t>(second) % slots_.size()];
    if (slot.second != second) slot = {second, S{}};
    return slot.sums;
  }
  // Seconds in [from, to]; absent ones are zeros.
  S sum(int64_t from, int64_t to) const {
    S total;
    for (int64_t s = from; s <= to; ++s)
      if (const S* one = find(s)) total.add(*one);
    return total;
  }
  const S* find(int64_t second) const {
    const Slot& slot = slots_[static_cast<size_t>(second) % slots_.size()];
    return slot.second == second ? &slot.sums : nullptr;
  }

 private:
  struct Slot {
    int64_t second = -1;
    S sums;
  };
  std::vector<Slot> slots_ = std::vector<Slot>(remembered_s);
};

// What is usual: sums over healthy seconds that fade with `memory_s`, and how long they cover.
template <class S>
struct Usual {
  static constexpr double memory_s = 900;  // a quarter of an hour: follows the day, survives a spike
  S sums;
  double seconds = 0;
  void add(const S& block, double block_seconds) {
    sums.add(block);
    seconds += block_seconds;
    if (seconds > memory_s) {
      sums.scale(memory_s / seconds);
      seconds = memory_s;
    }
  }
  double rate() const { return seconds > 0 ? sums.n / seconds : 0; }
};

// An operation, a service, an instance, or the calls over an edge.
struct Track {
  Ring<Sums> ring;
  Usual<Sums> usual;
  stream::Sketch usual_ms;                             // of durations
  std::array<double, slow_limits_max> slow_limits{};   // ms; 0: not used
  std::array<Overdispersion, slow_limits_max> spread;  // of each slow share
  Overdispersion error_spread, denied_spread, rate_spread;
  int64_t first_second = 0, last_second = 0;
  double lag_s = 1;                                     // of a whole service: how late its data come (Arrivals)
  Sums fresh;                                           // what this frame brought
  std::vector<std::pair<int64_t, Sums>> fresh_seconds;  // the same by second, the oldest first
  void forget_fresh() { fresh = {}, fresh_seconds.clear(); }
  bool ready() const { return usual.seconds >= 30 && usual.sums.spans >= 60; }

  struct Block {  // durations of ten seconds that wait to be learned from
    int64_t block = 0;
    stream::Sketch ms;
  };
  std::deque<Block> blocks;
  int64_t next_block = 0;  // the first that was not learned from yet
};

struct CallTrack {
  Ring<CallSums> ring;
  Usual<CallSums> usual;
  bool traced = false, async = false;
  int64_t first_second = 0, last_second = 0, next_block = 0;
};

// Requests to look at, of a service's answers or of its calls to one peer.
struct Examples {
  static constexpr size_t kept = 32;  // of each kind: a few of each operation, and the newest
  struct One {
    int64_t second = 0;
    std::string service, operation, instance;  // of the cell: operation of a call is the client span's name
    uint8_t kind = 2;                          // OTLP span kind
    stream::Example request;
  };
  std::deque<One> failed, slow;  // the oldest first
  int64_t last_second = 0;
};

struct LogSums {               // of a service
  double n = 0, warnings = 0;  // warnings and worse
  void add(const LogSums& other) { n += other.n, warnings += other.warnings; }
};
struct LogTrack {
  Ring<LogSums> ring;
  std::string trace;  // of a warning that names one, not long before the newest
  int64_t trace_second = 0, last_second = 0;
};

inline constexpr int64_t block_s = 10;
inline constexpr int64_t learn_after_s = 30;  // a departure that starts now is noticed before it is learned

class History {
 public:
  // Adds a frame. `now` is the second in which it was made.
  void add(const stream::Frame& frame, int64_t now);
  // Learns from blocks that are old enough. `troubled(service)` tells whether a service's numbers are not to be
  // learned.
  template <class Troubled>
  void learn(int64_t now, Troubled&& troubled) {
    for (auto& [key, track] : operations) learn(track, now, troubled(key.service));
    for (auto& [key, track] : edges) learn(track, now, troubled(key.service) || troubled(key.peer));
    for (auto& [key, track] : instances) learn(track, now, troubled(key.service));
    for (auto& [key, track] : calls) learn(track, now, troubled(key.service) || troubled(key.callee));
  }
  // One track of a caller's own (a KPI, a probe).
  static void learn(Track& track, int64_t now, bool troubled);
  static void note_second(Track& track, int64_t second, const Sums& more);
  static void note_durations(Track& track, int64_t second, const stream::Sketch& ms);
  // The newest second of which nearly everything has arrived, for a service.
  int64_t settled(const std::string& service, int64_t now) const;
  int64_t kpi_delay_s(const std::string& kpi) const { return arrivals_.kpi_delay_s(kpi); }

  // What is usual, for the time after a restart; without single seconds, so nothing of before is judged again.
  void save(archive::Writer& to) const;
  void load(archive::Reader& from, int64_t now);  // false bytes: the reader is not good, or not done, afterwards

  std::map<OperationKey, Track> operations;  // with one of operation "" for each service
  std::map<EdgeKey, Track> edges;
  std::map<InstanceKey, Track> instances;
  std::map<CallKey, CallTrack> calls;
  // What links to telemetry are made of. Not saved: after a restart they come anew.
  std::map<EdgeKey, Examples> examples;  // peer "": the service's own answers
  std::map<std::string, LogTrack> logs;  // by service
  uint64_t refused = 0;                  // tracks that found no room

 private:
  Arrivals arrivals_;
  void add_cell(const stream::Cell& cell, int64_t now);
  void add_call(const stream::Call& call, int64_t now);
  void add_examples(const stream::Cell& cell, int64_t now);
  void add_log(const stream::LogCell& cell, int64_t now);
  void add_to(Track& track, const stream::Cell& cell);
  static void learn(CallTrack& track, int64_t now, bool troubled);
  static void learn_block(Track& track, int64_t block, const stream::Sketch& ms);
  static void learn_spread(Track& track, const Sums& sums);
  static void set_limits(Track& track);
  template <class Map>
  typename Map::mapped_type* room(Map& map, const typename Map::key_type& key, int64_t now);
};

}  // namespace hs::loop
