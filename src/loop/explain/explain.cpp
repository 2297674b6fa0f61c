#include "loop/explain/explain.h"

#include <algorithm>

#include "loop/explain/blame.h"
#include "loop/explain/candidates.h"

namespace hs::loop {
namespace {

// Symptoms are of one cause when their excess starts at the same service or peer; a caller's broken edge to a service
// is part of that service's trouble when the service has some of its own.
std::string locus_of(const Origin& o) {
  switch (o.starts) {
    case Starts::peer_errors:
    case Starts::peer_time:
      return "peer " + o.peer;
    case Starts::edge_errors:
    case Starts::edge_time:
      return "edge " + o.service + ">" + o.peer;
    default:
      return "service " + o.service;
  }
}

std::string callee_locus(const Origin& o) {
  const bool edge = o.starts == Starts::edge_errors || o.starts == Starts::edge_time;
  return edge ? "service " + o.peer : "";
}

struct Suspect {
  const Symptom* symptom;
  Blame blame;
  std::string locus;
};

constexpr double sure_share = 0.6;     // probability of a place that stands by itself
constexpr double second_share = 0.25;  // a symptom that is split joins a place that others point to by that much

// A symptom whose largest part is not most of it follows another place that clearer symptoms point to.
void gather(std::vector<Suspect>& suspects) {
  std::map<std::string, double> support;
  for (const Suspect& s : suspects)
    for (const auto& [origin, share] : s.blame.shares) support[locus_of(origin)] += share;
  for (Suspect& s : suspects) {
    double best = 0;
    for (const auto& [origin, share] : s.blame.shares) {
      if (share < second_share) continue;
      const double worth = share * support[locus_of(origin)];
      if (worth > best) best = worth, s.locus = locus_of(origin);
    }
    if (best == 0) s.locus = locus_of(s.blame.first());
  }
  std::map<std::string, bool> known;
  for (const Suspect& s : suspects) known[s.locus] = true;
  for (Suspect& s : suspects)
    for (const auto& [origin, share] : s.blame.shares)
      if (locus_of(origin) == s.locus && known.contains(callee_locus(origin))) {
        s.locus = callee_locus(origin);
        break;
      }
}

Gathered together(const std::vector<const Suspect*>& members) {
  Gathered gathered;
  for (const Suspect* s : members) {
    gathered.symptoms.push_back(s->symptom);
    for (const auto& [origin, share] : s->blame.shares)
      gathered.blame[origin] += share / static_cast<double>(members.size());
  }
  return gathered;
}

// What the first cause and its kin at the same place have together.
double first_share(const std::vector<Cause>& causes) {
  double sum = 0;
  for (const Cause& c : causes)
    if (place_of(c) == place_of(causes.front())) sum += c.probability;
  return sum;
}

}  // namespace

std::vector<Explanation> explain(const Detector& detector, const std::vector<const Symptom*>& active,
                                 const std::vector<stream::RecentChange>& recent, UnixNanos now) {
  std::vector<Suspect> suspects;
  for (const Symptom* s : active) suspects.push_back({s, blame(detector.history(), *s, now / nanos_per_s), ""});
  gather(suspects);
  std::map<std::string, std::vector<const Suspect*>> groups;
  for (const Suspect& s : suspects) groups[s.locus].push_back(&s);
  // Places whose best explanation is the same (a surge of load, a change) are of one cause.
  struct Group {
    std::vector<const Suspect*> members;
    std::vector<Cause> causes;
  };
  const auto ranked = [&](const std::vector<const Suspect*>& members) {
    return Group{members, rank(detector, together(members), recent, now / nanos_per_s)};
  };
  std::map<std::string, std::vector<const Suspect*>> by_cause;
  std::vector<Group> unsure;
  for (const auto& [locus, members] : groups) {
    Group group = ranked(members);
    std::vector<const Suspect*>& same = by_cause[place_of(group.causes.front())];
    if (first_share(group.causes) < sure_share && same.empty()) unsure.push_back(group);
    same.insert(same.end(), members.begin(), members.end());
  }
  // One that is not sure of itself joins another, surer one that it has among its own suspects.
  for (const Group& group : unsure) {
    const std::string own = place_of(group.causes.front());
    if (by_cause[own].size() != group.members.size()) continue;
    for (size_t i = 1; i < group.causes.size() && group.causes[i].probability >= second_share; ++i) {
      const auto other = by_cause.find(place_of(group.causes[i]));
      if (other == by_cause.end() || other->first == own) continue;
      other->second.insert(other->second.end(), group.members.begin(), group.members.end());
      by_cause.erase(own);
      break;
    }
  }
  std::vector<Explanation> explanations;
  for (const auto& [first, members] : by_cause) {
    Explanation& e = explanations.emplace_back();
    for (const Suspect* s : members) e.symptoms.push_back(s->symptom->id);
    e.causes = ranked(members).causes;
  }
  return explanations;
}

}  // namespace hs::loop
