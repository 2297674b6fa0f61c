#include "loop/failing_users.h"

#include <algorithm>
#include <set>
#include <vector>

namespace hs::loop {
namespace {

constexpr size_t few = 2;            // users
constexpr double again = 4;          // failed requests of one user: tried again and again
constexpr size_t others_served = 8;  // users: so many are served meanwhile, or nothing is said
constexpr size_t served_max = 32;    // of one operation: enough to know that there are others

template <class Map, class Last>
void forget(Map& users, int64_t before, Last last) {
  std::erase_if(users, [&](const auto& user) { return last(user.second) < before; });
}

}  // namespace

void FailingUsers::add(const stream::Frame& frame, int64_t now) {
  for (const stream::Outcome& outcome : frame.outcomes)
    if (!outcome.by_instance) add(outcome);
  for (auto& [where, users] : operations_) {
    forget(users.failing, now - failing_user_s, [](const User& u) { return u.last; });
    forget(users.served, now - failing_user_s, [](int64_t last) { return last; });
  }
  std::erase_if(operations_, [](const auto& o) { return o.second.failing.empty() && o.second.served.empty(); });
}

void FailingUsers::add(const stream::Outcome& o) {
  std::pair where{o.service, o.operation};
  if (operations_.size() >= failing_operations_max && !operations_.contains(where)) return;
  Users& users = operations_[std::move(where)];
  if (!o.error) {
    if (users.served.size() < served_max || users.served.contains(o.unit))
      users.served[o.unit] = std::max(users.served[o.unit], o.second);
    return;
  }
  if (users.failing.size() >= failing_users_max && !users.failing.contains(o.unit)) return;
  User& user = users.failing[o.unit];
  user.last = std::max(user.last, o.second);
  if (user.failed > 0 && user.trace == o.trace) return;
  user.failed += o.weight, user.trace = o.trace;
}

template <class Visit>
void FailingUsers::visit(const std::string& service, const std::string& operation, Visit visit) const {
  for (auto at = operations_.lower_bound({service, operation}); at != operations_.end(); ++at) {
    if (at->first.first != service || (!operation.empty() && at->first.second != operation)) return;
    visit(at->second);
  }
}

std::map<uint64_t, double> FailingUsers::failing(const std::string& service, const std::string& operation) const {
  std::map<uint64_t, double> out;
  visit(service, operation, [&](const Users& users) {
    for (const auto& [unit, user] : users.failing) out[unit] += user.failed;
  });
  return out;
}

double FailingUsers::of_few(const std::string& service, const std::string& operation) const {
  std::vector<double> failed;
  for (const auto& [unit, n] : failing(service, operation)) failed.push_back(n);
  std::set<uint64_t> served;
  visit(service, operation, [&](const Users& users) {
    for (const auto& [unit, last] : users.served) served.insert(unit);
  });
  if (served.size() < others_served) return 0;
  std::sort(failed.rbegin(), failed.rend());
  double sum = 0;
  for (size_t i = 0; i < std::min(few, failed.size()); ++i)
    if (failed[i] >= again) sum += failed[i];
  return sum;
}

}  // namespace hs::loop
