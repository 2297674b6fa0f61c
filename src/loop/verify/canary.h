#pragma once
// The verdict on a change with a concurrent control. Feed it frames; ask it once a frame.

#include <optional>
#include <string>

#include "loop/types.h"
#include "loop/verify/arms.h"
#include "loop/verify/guards.h"
#include "loop/verify/match.h"

namespace hs::loop {

struct CanaryLimits {
  double alpha_pass = 0.01;  // chance that a change without effect passes
  double alpha_fail = 0.05;  // chance that a harmless change fails: costs a repair, not an application.
                             // Half of it is the goal's and the entries', half the declared objectives'
  int64_t max_ms = 45'000;
  int64_t promising_max_ms = 150'000;  // while the treated seem to fare better: sampling, or few requests, take longer
  int64_t no_data_ms = 12'000;         // no treated request for this long: nothing will come
  double ratio_max = 0.7;              // PASS: the treated rate is at most this share of the control's
  size_t units_min = 8;                // PASS: treated units
  bool first_look = false;             // sabotage: believe the first look
  bool trusting = false;               // sabotage: no mismatch check
  bool per_request = true;             // of the knob's scope; see MatchInput
  int64_t delay_s = 1;                 // how late telemetry comes
};

class Canary {
 public:
  // `healthy`: the bad share at which the objective counts as met; a control that is there again has recovered alone.
  // `carried`: evidence of an earlier stage with its own draw of arms.
  Canary(ArmsSetup setup, CanaryLimits limits, double healthy, double carried = 0);
  // Every declared objective is a guard, too. `security`: see ArmGuards.
  void guard(const config::Declarations& declarations, bool security);
  void add(const stream::Frame& frame);
  std::optional<Verdict> judge(UnixNanos now);
  Verdict fail(std::string why) const { return verdict(VerdictKind::fail, std::move(why)); }  // for what it cannot see

  // Evidence so far, for a next stage with new arms and for the console.
  Contrast objective_now() const { return arms_.contrast(objective); }
  double carried() const { return carried_; }
  const Arms& arms() const { return arms_; }
  // Control's bad share over the last seconds, and from how many requests.
  Block control_lately(int64_t second, int64_t seconds) const;

 private:
  struct Guard {
    Aspect measure;
    Looks looks;
  };
  std::optional<Verdict> judge_worse();
  std::optional<Verdict> judge_better(const Contrast& contrast, const MatchInput& in, UnixNanos now);
  void look(const Contrast& contrast, const MatchInput& in);
  std::optional<Verdict> judge_end(const Contrast& contrast, UnixNanos now);
  MatchInput match_input(UnixNanos now) const;
  bool match_quiet(const MatchInput& in) const;
  bool guards_quiet(UnixNanos now) const;
  bool has_recovered(int64_t elapsed_s) const;
  int64_t settle_ns() const;
  Verdict verdict(VerdictKind kind, std::string why) const;

  Arms arms_;
  ServedCounts served_;
  Doubt doubt_;
  CanaryLimits limits_;
  double healthy_, carried_;
  // Two ways to be useless: to make no difference to those who are heard of, and to none of those who were served.
  Looks better_, known_;
  bool is_better_ = false, is_known_ = false;  // refuted
  std::vector<Guard> guards_;
  ArmGuards declared_;
  int64_t last_second_ = 0;
};

// "12.3 % of 45 requests": how rates are told.
std::string percent(double share);

}  // namespace hs::loop
