#pragma once
// The second half of the loop: decide, act, verify, learn. Pure: events and incidents in, actions out; the same input
// gives the same output, byte for byte. One thread. What it never does: read a clock, touch a file, act on text.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "loop/decide/choose.h"
#include "loop/events.h"
#include "loop/learn/effects.h"
#include "loop/machine/hold.h"
#include "loop/machine/permits.h"
#include "loop/machine/policy.h"
#include "loop/machine/trial.h"
#include "loop/verify/past.h"

namespace hs::loop {

inline constexpr size_t cases_max = 1'000;  // incidents with a memory; the oldest are forgotten
inline constexpr size_t undos_max = 100;

// What the loop did about an incident, for its life cycle.
struct Note {
  enum class Kind : uint8_t { decided, acted, verified };
  Kind kind = Kind::decided;
  std::string incident;
  std::string text;  // decided: why this, why nothing; acted, verified: the change's id
};

// What is going on, for the console and for /v1/changes.
struct InFlight {
  Change change;
  std::string phase;  // trial | hold | probe
  UnixNanos since = 0;
  double treated = 0, control = 0, log_e = 0;  // shares of bad requests, and the evidence so far
  double treated_n = 0, control_n = 0;         // units
};

// Whether a change of one could reach a service that the other reaches.
bool share_services(const config::Knob& a, const config::Knob& b);

class Control {
 public:
  explicit Control(Policy policy) : policy_(policy) {}

  std::vector<Action> step(const Event& event, const std::vector<const Incident*>& incidents);

  const std::vector<Note>& notes() const { return notes_; }  // of the last step
  const Effects& effects() const { return effects_; }
  void learn(const Effect& key, bool repaired, double weight, UnixNanos at) {  // from a chaos trial
    effects_.observe(key, repaired, weight, at);
  }
  std::vector<InFlight> in_flight() const;
  bool stopped() const { return permits_.stopped(); }          // by an operator
  void set_policy(const Policy& policy) { policy_ = policy; }  // for changes that begin later

  nlohmann::json snapshot() const;
  Status restore(const nlohmann::json& from, const config::Declarations& declarations);

 private:
  struct Tried {
    std::string knob, to;
    VerdictKind kind = VerdictKind::pass;
    bool ramp = false;
    UnixNanos again = 0;  // the verdict told nothing of the value: it may be tried again from then on; 0: never
  };
  struct Case {  // what was done about one incident
    std::vector<Tried> tried;
    // Knob and direction: passed its trial and then did not keep what it promised. More of the same would not either.
    std::vector<std::pair<std::string, std::string>> broken;
    size_t failed = 0;
    bool given_up = false, corroborated = false;
    UnixNanos wait_until = 0, last_seen = 0;
    std::string said;  // the last decision, so that it is recorded when it changes and not each second
    int64_t reopened = 0;
    std::string cause;      // when it was first looked at, or came back
    std::string explained;  // the first cause, and since when it is the first
    UnixNanos explained_since = 0;
    bool repaired() const;  // a change passed for it, and was not released since
    void note(Tried tried, const Policy& policy, UnixNanos now);
    void follow(const Incident& incident, UnixNanos now);  // what came back for another reason is a case of its own
  };
  using Actions = std::vector<Action>;
  using Incidents = std::vector<const Incident*>;

  void on(const Started& event, Actions& out);
  void on(const stream::Frame& frame, const Incidents& incidents, Actions& out);
  void on(const Receipt& receipt, Actions& out);
  void on(const ConfigChanged& event, Actions& out);
  void on(const Operator& word, Actions& out);
  void on(const Tick& tick, Actions& out);
  void take_back_unwatched(const KnobState& state, Actions& out);

  View view();
  std::string new_id();
  void add(Actions& out, Actions&& more);
  void renew(Actions& out);
  void revert_all(const std::string& why, bool promoted_too, Actions& out);
  void end_trials(const std::string& knob, const std::string& why, Actions& out);  // knob "": all
  void reset(const Operator& word, Actions& out);
  void step_trials(const stream::Frame& frame, Actions& out);
  void conclude(Trial& trial, Verdict verdict, Actions& out);
  void drop_holds(const std::function<bool(const Hold&)>& which);
  void forget_pass(const Hold& hold);
  void step_holds(const stream::Frame& frame, Actions& out);
  void end_hold(const Hold& hold, const Hold::Out& how, Actions& out);
  void note_series(const Incidents& incidents);
  void note_series(const Symptom& symptom, int64_t second);
  void decide_all(const Incidents& incidents, Actions& out);
  void decide(const Incident& incident, const Incidents& incidents, Actions& out);
  bool ready(const Incident& incident, Case& known) const;
  void begin(const Incident& incident, const Goal& goal, const Choice& choice, const std::string& corroboration,
             Actions& out);
  bool growing(const Incident& incident, const Goal& goal) const;
  void say(const Incident& incident, Case& known, std::string why, nlohmann::json more, Actions& out);
  std::string refusal(const Incident& incident, const config::Knob& knob, const config::Value& to, bool ramp);
  bool showed_nothing(const Incident& incident, const config::Knob& knob, const config::Value& to);
  bool untold(const Incident& incident, const config::Knob& knob);
  Block lately(const Goal& goal, int64_t seconds) const;
  bool in_the_way(const config::Knob& knob, const Goal& goal) const;
  bool is_covered(const Incident& incident) const;
  std::string unsettled(const Goal& goal) const;
  int64_t after_verdict_ns(const Goal& goal) const;
  std::string few_users(const Goal& goal) const;
  std::string held_back(const Incident& incident) const;
  std::string own_doing(const Incident& incident, const Goal& goal) const;
  std::vector<Undo> undos(const Incident& incident) const;
  config::Value settled(const config::Knob& knob) const;
  const config::Knob* knob_named(const std::string& key) const;
  Case& case_of(const std::string& incident);

  Policy policy_;
  config::Declarations declarations_;
  Past history_;
  Effects effects_;
  Permits permits_;
  std::vector<Trial> trials_;
  std::vector<Hold> holds_;
  std::map<std::string, Case> cases_;
  std::map<std::string, Latest> latest_;  // measures of symptoms that only the detector can compute
  std::map<std::string, config::Value> settled_;
  std::vector<Undo> undos_;
  std::vector<Note> notes_;
  std::vector<std::string> left_over_;  // candidates of before a restart
  UnixNanos now_ = 0, renewed_ = 0;
  uint64_t ids_ = 0;
};

}  // namespace hs::loop
