#include "loop/explain/parts.h"

#include <algorithm>

namespace hs::loop {
namespace {

constexpr double instance_part = 0.8;         // of the excess is its
constexpr double instance_traffic = 0.75;     // of the requests at most: else the others tell nothing
constexpr double instance_requests = 3;       // at least
constexpr double expected_errors = 5;         // of the other operations, if they were as ill: none is then no accident
constexpr double seen_errors = 3;             // more than usual, before one operation is told from the others
constexpr double others_requests = 10;        // a mean of fewer durations tells nothing
constexpr double usual_requests = 10;         // the same, of what is usual
constexpr double well_errors = 0.2;           // of the ill one's error rate, at most, is what the others have
constexpr double well_time = 0.25;            // of its delay, and of its growth: a factor on all is no one's alone
constexpr int64_t silent_s = 10;              // newest seconds that an instance is looked for in
constexpr double expected_answers = 5;        // in them
constexpr double silent_part = 0.15;          // of the expected answers
constexpr int64_t newcomer_s = 60;            // an instance that came so shortly before may be the successor
constexpr double operation_rate = 0.3;        // a second: silence of a rarer operation is not seen
constexpr std::string_view folded = "other";  // what the stream calls names beyond its bound: many operations

double measure(const Sums& sums, Starts starts) {
  return sums.per_request(starts == Starts::own_time ? sums.self_ms : sums.own_errors);
}

// Of one operation, or of several: requests, how much more than usual they took (errors, or ms), what is usual.
struct Ill {
  double n = 0, excess = 0, usual = 0;
  double each() const { return n > 0 ? excess / n : 0; }
  double growth() const { return usual > 0 ? excess / usual : 0; }
  void add(const Ill& more, double sign = 1) {
    n += sign * more.n, excess += sign * more.excess, usual += sign * more.usual;
  }
};

bool is_alone(const Ill& one, const Ill& others, Starts starts) {
  if (starts == Starts::own_errors)
    return one.excess >= seen_errors && one.each() * others.n >= expected_errors &&
           others.each() < well_errors * one.each();
  return others.n >= others_requests && others.each() < well_time * one.each() &&
         others.growth() < well_time * one.growth();
}

// Calls f(operation, track) for each operation of the service.
template <class F>
void each_operation(const History& history, const std::string& service, F&& f) {
  for (auto at = history.operations.lower_bound({service, ""}); at != history.operations.end(); ++at) {
    if (at->first.service != service) break;
    if (!at->first.operation.empty()) f(at->first.operation, at->second);
  }
}

std::string silent_operation(const History& history, const std::string& service, Stretch in) {
  std::string name;
  int silent = 0, answering = 0;
  each_operation(history, service, [&](const std::string& operation, const Track& track) {
    if (track.usual.rate() <= operation_rate) return;
    if (!is_silent(history, track, service, in.from, in.to))
      ++answering;
    else if (++silent == 1)
      name = operation;
  });
  return silent == 1 && answering > 0 ? name : "";
}

}  // namespace

std::string instance_at_fault(const History& history, const std::string& service, Starts starts, Stretch in) {
  double total = 0, most = 0, requests = 0, its_requests = 0;
  std::string name;
  int serving = 0;
  for (auto at = history.instances.lower_bound({service, ""}); at != history.instances.end(); ++at) {
    if (at->first.service != service) break;
    const Sums now = at->second.ring.sum(in.from, in.to);
    const double each = measure(now, starts) - measure(at->second.usual.sums, starts);
    const double excess = std::max(0.0, each) * now.n;
    requests += now.n;
    total += excess;
    serving += now.n > 0;
    if (excess > most) most = excess, name = at->first.instance, its_requests = now.n;
  }
  const bool one = serving >= 2 && most >= instance_part * total && its_requests <= instance_traffic * requests &&
                   its_requests >= instance_requests;
  return one ? name : "";
}

std::string operation_at_fault(const History& history, const std::string& service, Starts starts, Stretch in) {
  if (starts == Starts::silence) return silent_operation(history, service, in);
  if (starts != Starts::own_errors && starts != Starts::own_time) return "";
  std::string name;
  Ill most, all;
  each_operation(history, service, [&](const std::string& operation, const Track& track) {
    const Sums now = track.ring.sum(in.from, in.to);
    const double usual = measure(track.usual.sums, starts);
    const Ill one{.n = now.n, .excess = (measure(now, starts) - usual) * now.n, .usual = usual * now.n};
    if (now.n <= 0 || (starts == Starts::own_time && track.usual.sums.n < usual_requests)) return;
    all.add(one);
    if (one.excess > most.excess) most = one, name = operation;
  });
  all.add(most, -1);
  return name != folded && is_alone(most, all, starts) ? name : "";
}

std::string silent_instance(const History& history, const std::string& service, Stretch in) {
  const int64_t until = history.settled(service, in.to), since = std::max(in.from, until - silent_s + 1);
  std::string name;
  int silent = 0, answering = 0;
  for (auto at = history.instances.lower_bound({service, ""}); at != history.instances.end(); ++at) {
    if (at->first.service != service) break;
    const Track& track = at->second;
    if (track.first_second > in.from - newcomer_s) return "";
    const double expected = track.usual.rate() * static_cast<double>(std::max<int64_t>(0, until - since + 1));
    if (expected < expected_answers) continue;
    if (track.ring.sum(since, until).n >= silent_part * expected)
      ++answering;
    else if (++silent == 1)
      name = at->first.instance;
  }
  return silent == 1 && answering > 0 ? name : "";
}

}  // namespace hs::loop
