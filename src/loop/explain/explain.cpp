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

}  // namespace

std::vector<Explanation> explain(const Detector& detector, const std::vector<const Symptom*>& active,
                                 const std::vector<stream::RecentChange>& recent, UnixNanos now) {
  std::vector<Suspect> suspects;
  for (const Symptom* s : active) suspects.push_back({s, blame(detector.history(), *s, now / nanos_per_s), ""});
  gather(suspects);
  std::map<std::string, std::vector<const Suspect*>> groups;
  for (const Suspect& s : suspects) groups[s.locus].push_back(&s);
  std::vector<Explanation> all;
  for (const auto& [locus, members] : groups) {
    Explanation e;
    Gathered gathered;
    for (const Suspect* s : members) {
      e.symptoms.push_back(s->symptom->id);
      gathered.symptoms.push_back(s->symptom);
      for (const auto& [origin, share] : s->blame.shares)
        gathered.blame[origin] += share / static_cast<double>(members.size());
    }
    e.causes = rank(detector, gathered, recent, now / nanos_per_s);
    all.push_back(std::move(e));
  }
  return all;
}

}  // namespace hs::loop
