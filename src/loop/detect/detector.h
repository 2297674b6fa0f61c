#pragma once
// From frames to symptoms. Every watch is a sequential test (sequential.h); together they may raise one false alarm in
// false_alarm_hours of a healthy system, which is shared out evenly over all watches that exist: half to what the team
// declared, half to what was learned.
//
// A symptom starts when its test passes its threshold, and ends when the measure has been back for hold_s settled
// seconds with enough requests to say so; `ended` is then the first of them. Pure: the same frames, the same symptoms.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/declarations.h"
#include "loop/detect/history.h"
#include "loop/detect/watch.h"
#include "loop/failing_users.h"
#include "loop/types.h"
#include "stream/frame.h"

namespace hs::loop {

inline constexpr double false_alarm_hours = 24;  // one false alarm in so many system-hours, all watches together
inline constexpr int64_t hold_s = 8;             // good seconds before a symptom is over
inline constexpr int64_t new_normal_s = 1'800;   // a learned departure that lasts so long is the new normal

struct Turn {  // a symptom started or ended in this step
  Symptom symptom;
  bool started = true;
};

class Detector {
 public:
  std::vector<Turn> step(const stream::Frame& frame, const config::Declarations& declarations);
  std::vector<const Symptom*> active() const;
  // The learned departure of this id is what a repair in force costs: it is told to have ended at `since`, and the same
  // watch is silent until its measure is back.
  void accept(const std::string& symptom, UnixNanos since);
  struct Burning {  // how fast an objective (or a KPI with a target) uses up its error budget: 1 lasts the period
    std::string objective;
    double last_5m = 0, last_1h = 0, last_6h = 0;
    std::string severity;   // "page", "ticket" or ""
    double bad = 0, n = 0;  // requests since the start
  };
  std::vector<Burning> burning() const;
  const History& history() const { return history_; }
  // What was learned, for the time after a restart: what is usual, how error budgets were used up, how large healthy
  // clusters of errors are, and what repairs in force may cost. restore() before the first step; `now`: the second. An
  // error when the bytes are not ours, damaged, or too old, of which only the error budgets are taken then.
  std::string baselines() const;
  Status restore(std::string_view baselines, int64_t now);
  int64_t now() const { return now_; }  // the second of the last frame
  // What a test must pass, as log(c): depends on the number of watches that share the budget.
  double threshold(bool declared) const;
  size_t watches() const { return declared_watches_ + learned_watches_; }

 private:
  struct Watched {  // a track of its own, which the history does not have: a KPI, a probe, a service's warnings
    Place place;
    Track track;
    std::vector<Watch> watches;
  };
  // Of a watch that another run, or another configuration, had; waits for the watch to be made again.
  struct Remembered {
    double cluster = 0, usual = 0;
    std::vector<Burn::Minute> burn;
    std::optional<Symptom> accepted;
  };
  void remember(const Place& place, const Track& track, const Watch& watch,
                std::map<std::string, Remembered>& in) const;
  void recall(const Place& place, const Track& track, std::vector<Watch>& watches);
  void recall(const std::string& kind, const std::string& name, Watched& watched);
  void declare(const config::Declarations& declarations);
  void declare_kpi(const config::Kpi& kpi);
  void note_kpis(const stream::Frame& frame);
  void note_probes(const stream::Frame& frame);
  void note_warnings(const stream::Frame& frame);
  void equip();  // every track has its watches
  std::vector<Watch> watches_for(const OperationKey& key, Track& track) const;
  void judge(const Place& place, Track& track, std::vector<Watch>& watches);
  void judge_share(const Place& place, Track& track, Watch& watch);
  void judge_rate(const Place& place, Track& track, Watch& watch);
  void follow(Track& track, Watch& watch, int64_t settled);
  void start(const Place& place, const Track& track, Watch& watch, const Norm& norm, int64_t onset, int64_t settled);
  bool is_of_few(const Place& place, const Watch& watch, const Sums& since, const Norm& norm, int64_t onset) const;
  int64_t settled(const Place& place, const Track& track) const;
  double expected_rate(const Watch& watch, const Track& track, int64_t settled) const;
  bool is_hung(const Place& place, const Track& track, int64_t settled) const;
  bool is_alive(const OperationKey& key, int64_t settled) const;
  bool is_attack(const Place& place, const Track& track) const;
  bool troubled(const std::string& service) const;
  template <class Self, class F>
  static void each_watch(Self& self, F&& f);
  void drop_watches();

  History history_;
  std::map<OperationKey, std::vector<Watch>> operation_watches_;
  std::map<EdgeKey, std::vector<Watch>> edge_watches_;
  std::map<std::string, Watched> kpis_, probes_, warnings_;  // by name, name, service
  std::map<std::string, Remembered> remembered_;             // by what is watched
  std::map<std::string, Track> remembered_tracks_;           // "kpi/orders", "warnings/login"
  config::Declarations declared_;
  FailingUsers users_;
  std::vector<Turn> turns_, accepted_;      // of this step; for the next
  std::map<std::string, int64_t> trouble_;  // service -> the last second in which a symptom was going on there
  size_t declared_watches_ = 0, learned_watches_ = 0;
  int64_t now_ = 0;
};

}  // namespace hs::loop
