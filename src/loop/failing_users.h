#pragma once
// Whose requests fail: many users', or again and again the same few's? One user's broken data, repeated, is neither an
// outage nor a reason to change what everybody gets. Known as far as evaluations of knobs name users
// (feature_flag.context.id), joined by trace with every service's answers.
//
// A knob tells only when it was seen with many names that are well served meanwhile: some applications evaluate one for
// the whole service under a single name, and an outage spares nobody. Of several knobs the one that sees the failures
// spread most is believed. Pure; bounded in operations, in users and in seconds.

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "stream/frame.h"

namespace hs::loop {

inline constexpr size_t failing_operations_max = 1'000;  // operation and knob; beyond: nothing is known of a new one
inline constexpr size_t failing_users_max = 32;          // of one operation and knob; more are many
inline constexpr int64_t failing_remembered_s = 60;      // an incident's onset is looked for no further back

class FailingUsers {
 public:
  void add(const stream::Frame& frame, int64_t now);  // now: the frame's second

  struct Share {
    double few = 0;  // failed requests of the two users who fail most, and fail again and again
    double all = 0;  // of everybody who is named
  };
  // Of the seconds since `from`. Operation "": all of the service's. Nothing is known: zeros.
  Share of_few(const std::string& service, const std::string& operation, int64_t from) const;

 private:
  struct User {
    std::deque<std::pair<int64_t, double>> failed;  // by second
    uint64_t trace = 0;                             // of the last one: its retries are one failure
  };
  struct Users {
    std::map<uint64_t, User> failing;
    std::map<uint64_t, int64_t> served;  // a sample of those who were served: last second
    int64_t many_until = 0;              // more users failed than are kept
    int64_t newest = 0;                  // second
  };
  using Key = std::tuple<std::string, std::string, std::string>;  // service, knob, operation
  Users* users_of(const stream::Outcome& outcome);                // null: no room for another operation
  static void add(Users& users, const stream::Outcome& outcome);
  static Share share_of(const std::vector<const Users*>& operations, int64_t from);

  std::map<Key, Users> operations_;
};

}  // namespace hs::loop
