#pragma once
// Whose requests fail: many users', or again and again the same few's? One user's broken data, repeated, is neither an
// outage nor a reason to change what everybody gets. Known as far as evaluations of knobs name users
// (feature_flag.context.id), joined by trace with every service's answers. Pure; bounded in operations and in users.

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "stream/frame.h"

namespace hs::loop {

inline constexpr size_t failing_operations_max = 4'000;  // beyond: nothing is known of a new operation's users
inline constexpr size_t failing_users_max = 64;          // of one operation; more are "many"
inline constexpr int64_t failing_user_s = 15;            // a user who did not fail for so long is forgotten

class FailingUsers {
 public:
  void add(const stream::Frame& frame, int64_t now);  // now: the frame's second

  // Failed requests by user (a hash). Operation "": all of the service's.
  std::map<uint64_t, double> failing(const std::string& service, const std::string& operation) const;
  // Failed requests of the two users who fail most and fail again and again, when others are served meanwhile; 0 else.
  double of_few(const std::string& service, const std::string& operation) const;

 private:
  struct User {
    int64_t last = 0;  // second
    double failed = 0;
    uint64_t trace = 0;  // of the last one: a request that evaluates several knobs fails once
  };
  struct Users {
    std::map<uint64_t, User> failing;
    std::map<uint64_t, int64_t> served;  // a sample of those who were served: last second
  };
  void add(const stream::Outcome& outcome);
  template <class Visit>
  void visit(const std::string& service, const std::string& operation, Visit visit) const;

  std::map<std::pair<std::string, std::string>, Users> operations_;
};

}  // namespace hs::loop
