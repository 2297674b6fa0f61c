#pragma once
// Who was well served before: what tells a customer whom a limit turns away from the attacker it is meant for. Known as
// far as spans name a client address or a user. Bounded in subjects and in time; learned anew after a restart.

#include <cstdint>

#include "base/flat_table.h"
#include "base/time.h"
#include "stream/facts.h"

namespace hs::stream {

class Regulars {
 public:
  // Of each of two generations, about 24 bytes each; a full one makes the older of the two be forgotten early.
  static constexpr size_t subjects_max = 50'000;
  static constexpr UnixNanos generation_ns = 900 * nanos_per_s;
  static constexpr UnixNanos age_ns = 30 * nanos_per_s;  // who came just now may be anybody
  static constexpr float good_per_denied = 2;            // who mostly has the wrong password is no customer

  // A request of `subject` at `operation` (hashes) ended. Whether they are a regular there, before this one counts.
  bool see(uint64_t operation, uint64_t subject, const Ending& ending, UnixNanos at);
  void clear();

 private:
  struct Seen {
    UnixNanos since = 0;
    float good = 0, denied = 0;  // a limit says nothing of whom it turns away
  };
  FlatTable<Seen> now_, before_;
  UnixNanos began_ = 0;
};

}  // namespace hs::stream
