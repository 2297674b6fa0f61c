#pragma once
// The only writer of the state file: makes changes of declared knobs, under a lease, and takes them back.

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/declarations.h"
#include "io/clock.h"
#include "io/random.h"
#include "values/state.h"

namespace hs::values {

struct Change {
  std::string id;
  std::string knob;
  config::Value value;
  double exposure = 0;  // (0, 1]
  std::string service;  // "" = every service that reads the knob
  int64_t lease_ms = 10'000;
  std::string instance = {};  // knobs of instance scope: the only one that gets it; the exposure is its share of them
};

// What was really done, enough to undo it after a restart.
struct Receipt {
  std::string change;
  std::string knob;
  int64_t revision = 0;    // what evaluations carry from now on
  config::Value value;     // what the knob was set to (after a revert: what is settled now)
  config::Value previous;  // settled before
  double exposure = 0;
  std::string service;
  int64_t lease_left_ms = 0;  // 0: expired, or not under a lease
  UnixNanos at = 0;
};

// Thread-safe; every call reads the file again under a lock between processes, changes it, and has it on disk before it
// returns. Deadlines are counted on the monotonic clock: no jump of the wall clock extends a lease.
class Actuator {
 public:
  // `directory` is <data>/values. `revision_floor`: the greatest revision known from the ledger; revisions go on above
  // it even if the state file was lost.
  Actuator(std::string directory, io::Clock& clock, io::Random& random, int64_t revision_floor = 0);

  // Makes the file hold exactly these knobs. A changed base gets a new revision; promoted values and live candidates
  // stay where the declaration still allows them. Returns what was dropped, one sentence each. A file that cannot be
  // read is set aside as state.json.broken, and its predecessor is used if it can be.
  Result<std::vector<std::string>> declare(std::span<const config::Knob> knobs);

  // Idempotent by id. Refuses (permission_denied) what the declaration does not allow, and (conflict) a second live
  // candidate for one service. A live candidate of the same id gets the new exposure and lease (a ramp): from one
  // instance to all, never to another one.
  Result<Receipt> apply(const Change& change);
  // Every named change that is still live gets a lease from now. Returns the ids that are not live any more.
  Result<std::vector<std::string>> renew(std::span<const std::string> changes, int64_t lease_ms);
  // The candidate becomes the promoted value, for everybody. Needs a live lease: what expired was not being watched.
  Result<Receipt> promote(const std::string& change);
  // Takes a candidate or a promoted value back. Idempotent: not_found only for a change that the file does not know.
  Result<Receipt> revert(const std::string& change);
  // The knob is its base again, whatever was in force.
  Result<Receipt> reset(const std::string& knob);
  enum class Extent : uint8_t { candidates, candidates_and_promoted };
  Result<std::vector<Receipt>> revert_all(Extent extent);

  // What is under a lease, from the file: also after a restart. Expired ones are listed until they are reverted.
  Result<std::vector<Receipt>> in_flight() const;
  Result<std::vector<Receipt>> promoted() const;
  Result<State> state() const;

 private:
  struct Edit;
  Result<State> load() const;
  Status store(const State& state, bool durable_name);
  Status set_broken_aside(std::vector<std::string>& notes);
  Result<const config::Knob*> declared(std::string_view key) const;
  std::string path() const { return directory_ + "/state.json"; }
  std::string previous_path() const { return directory_ + "/state.previous.json"; }
  std::string lock_path() const { return directory_ + "/write.lock"; }

  const std::string directory_;
  io::Clock& clock_;
  io::Random& random_;
  const int64_t revision_floor_;
  mutable std::mutex mutex_;
  std::vector<config::Knob> knobs_;
};

}  // namespace hs::values
