#include "loop/failing_users.h"

#include <algorithm>
#include <set>

#include "loop/places.h"

namespace hs::loop {
namespace {

constexpr size_t few = 2;            // users
constexpr double again = 4;          // failed requests of one user: tried again and again
constexpr size_t others_served = 8;  // users: so many are served meanwhile, or nothing is said
constexpr size_t served_max = 32;    // of one operation: enough to know that there are others
constexpr int64_t served_s = 15;     // "meanwhile"
constexpr int64_t sampled_s = 3;     // one second in so many is looked at for users who are served
constexpr int64_t forget_s = 5;      // how often the past is dropped

}  // namespace

void FailingUsers::add(const stream::Frame& frame, int64_t now) {
  Places<Users*> places;
  for (const stream::Outcome& o : frame.outcomes) {
    if (o.by_instance || (!o.error && o.second % sampled_s != 0)) continue;
    if (Users* users = places.of(o, [&] { return users_of(o); })) add(*users, o);
  }
  if (now % forget_s != 0) return;
  for (auto& [where, users] : operations_) {
    for (auto& [unit, user] : users.failing)
      while (!user.failed.empty() && user.failed.front().first < now - failing_remembered_s) user.failed.pop_front();
    std::erase_if(users.failing, [](const auto& u) { return u.second.failed.empty(); });
    std::erase_if(users.served, [&](const auto& u) { return u.second < now - served_s; });
  }
  std::erase_if(operations_, [](const auto& o) { return o.second.failing.empty() && o.second.served.empty(); });
}

FailingUsers::Users* FailingUsers::users_of(const stream::Outcome& o) {
  Key key{o.service, o.knob, o.operation};
  if (const auto found = operations_.find(key); found != operations_.end()) return &found->second;
  if (operations_.size() >= failing_operations_max) return nullptr;
  return &operations_.emplace(std::move(key), Users()).first->second;
}

void FailingUsers::add(Users& users, const stream::Outcome& o) {
  users.newest = std::max(users.newest, o.second);
  if (!o.error) {
    if (users.served.size() < served_max || users.served.contains(o.unit))
      users.served[o.unit] = std::max(users.served[o.unit], o.second);
    return;
  }
  if (users.failing.size() >= failing_users_max && !users.failing.contains(o.unit)) {
    users.many_until = std::max(users.many_until, o.second + failing_remembered_s);
    return;
  }
  User& user = users.failing[o.unit];
  if (!user.failed.empty() && user.trace == o.trace) return;
  user.trace = o.trace;
  if (user.failed.empty() || user.failed.back().first < o.second)
    user.failed.emplace_back(o.second, o.weight);
  else
    user.failed.back().second += o.weight;
}

FailingUsers::Share FailingUsers::share_of(const std::vector<const Users*>& operations, int64_t from) {
  std::map<uint64_t, double> failed;
  std::set<uint64_t> served;
  Share share;
  for (const Users* users : operations) {
    if (users->many_until >= from + failing_remembered_s) return {0, 1};
    for (const auto& [unit, user] : users->failing)
      for (const auto& [second, n] : user.failed)
        if (second >= from) failed[unit] += n, share.all += n;
    for (const auto& [unit, last] : users->served)
      if (last >= users->newest - served_s) served.insert(unit);
  }
  if (served.size() < others_served) return {};
  std::vector<double> most;
  for (const auto& [unit, n] : failed) most.push_back(n);
  std::sort(most.rbegin(), most.rend());
  for (size_t i = 0; i < std::min(few, most.size()); ++i)
    if (most[i] >= again) share.few += most[i];
  return share;
}

FailingUsers::Share FailingUsers::of_few(const std::string& service, const std::string& operation, int64_t from) const {
  std::map<std::string, std::vector<const Users*>> by_knob;
  for (auto at = operations_.lower_bound({service, "", ""}); at != operations_.end(); ++at) {
    if (std::get<0>(at->first) != service) break;
    if (operation.empty() || std::get<2>(at->first) == operation)
      by_knob[std::get<1>(at->first)].push_back(&at->second);
  }
  Share best;
  for (const auto& [knob, operations] : by_knob) {
    const Share share = share_of(operations, from);
    if (share.all > 0 && (best.all == 0 || share.few / share.all < best.few / best.all)) best = share;
  }
  return best;
}

}  // namespace hs::loop
