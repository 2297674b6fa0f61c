#include "loop/detect/watch.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "loop/detect/detector.h"

namespace hs::loop {
namespace {

// What is not worth an alarm when nobody declared an objective.
constexpr double errors_smallest = 0.03, middle_smallest = 0.35, tail_smallest = 0.10, denied_smallest = 0.15;
// And when somebody did: a hair above the target is the burn rate's business.
constexpr double declared_smallest_factor = 1.5, declared_smallest = 0.01;
constexpr double margin = 1.25;        // over the upper bound of the healthy share
constexpr double share_floor = 0.004;  // nothing learned is trusted below: one error in 250
constexpr double cap_share = 0.45;     // of the threshold, by one block: three blocks are needed
constexpr size_t seconds_in_block_max = 2;
constexpr double recovered_at = 4;    // log evidence (50 : 1) that the measure is back
constexpr int64_t no_traffic_s = 60;  // a symptom without requests cannot be followed longer
constexpr double rate_back = 0.6;     // share of the expected rate that counts as recovered
constexpr int64_t onset_reach_s = 60;
constexpr double events_least = 12;        // before any cluster was seen: one user's tries, one stalled second
constexpr double cluster_factor = 1.6;     // more than the largest healthy cluster
constexpr double cluster_most = 40;        // but no more than so many, or
constexpr double cluster_seconds_max = 4;  // all requests of so many seconds
constexpr double cluster_peak = 2;         // nats: smaller excursions are noise, not clusters
constexpr double cluster_fades = 0.99998;  // each second: half in ten hours
constexpr int64_t cluster_lasts_s = 10;    // a departure that ends by itself within it was one

const Overdispersion& spread_of(const Watch& watch, const Track& track) {
  if (watch.measured == Measured::slow) return track.spread[watch.limit];
  if (watch.measured == Measured::denied) return track.denied_spread;
  return track.error_spread;
}

double smallest_of(const Watch& watch) {
  if (!watch.learned()) return std::max(declared_smallest, watch.bad_allowed * declared_smallest_factor);
  if (watch.measured == Measured::denied) return denied_smallest;
  if (watch.measured != Measured::slow) return errors_smallest;
  return watch.limit == 0 ? middle_smallest : tail_smallest;
}

double upper_share(const Watch& watch, const Track& track) {
  const Sums& usual = track.usual.sums;
  const double p = (bad_of(watch, usual) + 0.5) / (usual.n + 50);
  const double error = std::sqrt(p * (1 - p) * spread_of(watch, track).value() / (usual.spans + 1));
  return margin * (p + 2 * error);
}

std::string time_of(UnixNanos t) { return format_rfc3339(t).substr(11, 8); }

std::string percent(double share) { return fmt::format("{:.{}f} %", share * 100, share < 0.1 ? 1 : 0); }

std::string what_is_bad(const Watch& watch, const Track& track) {
  switch (watch.measured) {
    case Measured::slow:
      return fmt::format("took longer than {:.4g} ms", track.slow_limits[watch.limit]);
    case Measured::denied:
      return "were denied";
    case Measured::kpi:
      return "were bad";
    case Measured::probe:
      return "found no healthy answer";
    default:
      return "failed";
  }
}

SymptomKind kind_of(Measured measured) {
  switch (measured) {
    case Measured::slow:
      return SymptomKind::latency;
    case Measured::drop:
      return SymptomKind::throughput;
    case Measured::denied:
      return SymptomKind::security;
    case Measured::kpi:
    case Measured::kpi_drop:
    case Measured::kpi_surge:
      return SymptomKind::kpi;
    default:
      return SymptomKind::errors;
  }
}

std::string_view word_of(Measured measured) {
  switch (measured) {
    case Measured::errors:
      return "errors";
    case Measured::slow:
      return "latency";
    case Measured::drop:
      return "throughput";
    case Measured::denied:
      return "denied";
    case Measured::probe:
      return "probe";
    default:
      return "kpi";
  }
}

void describe(Watch& watch, const Place& place, const Track& track, const Sums& since) {
  Symptom& s = *watch.symptom;
  const std::string named = watch.learned() ? "" : fmt::format(" ({})", watch.objective);
  if (watch.is_rate()) {
    s.evidence = fmt::format("{}{}: {:.1f} a second since {}, where {:.1f} were to be expected", place.text(), named,
                             s.observed, time_of(s.started), s.baseline);
    return;
  }
  s.evidence =
      fmt::format("{}{}: {} of {:.0f} requests {} since {}; {} is usual", place.text(), named, percent(s.observed),
                  since.n, what_is_bad(watch, track), time_of(s.started), percent(s.baseline));
}

}  // namespace

std::string Place::text() const {
  if (!peer.empty()) return service + " -> " + peer;
  return operation.empty() ? service : service + " " + operation;
}

double Watch::log_evidence() const {
  if (measured == Measured::kpi_surge) return surge.log_evidence();
  return is_rate() ? drop.log_evidence() : share.log_evidence();
}

void Watch::reset() {
  share.reset();
  drop.reset();
  surge.reset();
  symptom.reset();
  accepted = false;
  recovery = 0;
  good_since = 0;
  excursion = excursion_peak = 0;
}

double bad_of(const Watch& watch, const Sums& sums) {
  if (watch.measured == Measured::slow) return sums.slow[watch.limit];
  if (watch.measured == Measured::denied) return sums.denied;
  return sums.errors;
}

std::optional<Norm> norm_of(const Watch& watch, const Track& track) {
  if (!track.ready() && (watch.learned() || watch.measured == Measured::denied)) return std::nullopt;
  Norm norm;
  norm.usual = track.ready() ? upper_share(watch, track) : 0;
  norm.usual = std::max(norm.usual, watch.learned() ? share_floor : std::max(watch.bad_allowed, share_floor / 4));
  norm.smallest = smallest_of(watch);
  norm.overdispersion = spread_of(watch, track).value();
  return norm;
}

double events_needed(const Watch& watch, const Place& place, const Track& track) {
  // One user's tries spread over the operations of a service: the whole of it needs twice as many.
  const bool whole = place.operation.empty() && place.peer.empty();
  const double least = whole && watch.learned() ? 2 * events_least : events_least;
  const double most = std::max(cluster_most, track.usual.rate() * cluster_seconds_max);
  return std::min(std::max(least, watch.cluster * cluster_factor), most);
}

namespace {

void follow_excursion(Watch& watch, double bad) {
  watch.cluster *= cluster_fades;
  if (watch.share.quiet()) {
    if (watch.excursion_peak >= cluster_peak) watch.cluster = std::max(watch.cluster, watch.excursion);
    watch.excursion = watch.excursion_peak = 0;
    return;
  }
  watch.excursion += bad;
  watch.excursion_peak = std::max(watch.excursion_peak, watch.log_evidence());
}

}  // namespace

double add_fresh(Watch& watch, const Track& track, const Norm& norm, double threshold) {
  const auto add = [&](const Sums& block) {
    if (!(block.n > 0)) return;
    const double seen = block.spans / block.n;  // evidence counts in spans, not in weights
    const double bad = bad_of(watch, block) * seen;
    watch.share.add(bad, block.spans, norm.usual, norm.smallest, norm.overdispersion, cap_share * threshold);
    follow_excursion(watch, bad);
  };
  // A batch of many seconds is as many blocks. What comes each second brings parts of two, and is one.
  if (track.fresh_seconds.size() <= seconds_in_block_max)
    add(track.fresh);
  else
    for (const auto& [second, sums] : track.fresh_seconds) add(sums);
  return watch.log_evidence();
}

double add_settled(Watch& watch, const Track& track, double expected, double overdispersion, int64_t settled,
                   double threshold) {
  for (int64_t s = std::max(watch.judged_until + 1, settled - 5); s <= settled; ++s) {
    const Sums* sums = track.ring.find(s);
    RateChange& test = watch.measured == Measured::kpi_surge ? watch.surge : watch.drop;
    test.add(sums == nullptr ? 0 : sums->n, expected, overdispersion, cap_share * threshold);
  }
  watch.judged_until = std::max(watch.judged_until, settled);
  return watch.log_evidence();
}

int64_t onset_of(const Watch& watch, const Track& track, const Norm& norm, int64_t newest) {
  const int64_t reach = std::max(newest - onset_reach_s, watch.healthy_since - 1);
  if (watch.is_rate()) {  // the first second of the trailing run below half of what is expected
    int64_t onset = newest;
    for (int64_t s = newest; s > reach; --s) {
      const Sums* sums = track.ring.find(s);
      const double count = sums == nullptr ? 0 : sums->n;
      const bool off = watch.measured == Measured::kpi_surge ? count > watch.usual * 2 : count < watch.usual / 2;
      if (!off) break;
      onset = s;
    }
    return onset;
  }
  const Sums recent = track.ring.sum(newest - 2, newest);
  const double seen = recent.n > 0 ? bad_of(watch, recent) / recent.n : norm.smallest;
  const double p1 = std::clamp(seen, std::max(norm.smallest, with_odds(norm.usual, 2.5)), 0.98);
  double sum = 0, best = 0;
  int64_t onset = newest;
  for (int64_t s = newest; s > reach; --s) {
    const Sums* sums = track.ring.find(s);
    if (sums == nullptr || !(sums->n > 0)) continue;
    sum += log_ratio(bad_of(watch, *sums), sums->n, norm.usual, p1);
    if (sum > best) best = sum, onset = s;
  }
  return onset;
}

void open_symptom(Watch& watch, const Place& place, const Track& track, const Norm& norm, int64_t onset,
                  int64_t settled, UnixNanos detected) {
  Symptom s;
  s.kind = kind_of(watch.measured);
  s.service = place.service;
  s.operation = place.operation;
  s.peer = place.peer;
  s.objective = watch.objective;
  s.started = onset * nanos_per_s;
  s.detected = detected;
  s.strength = watch.log_evidence();
  s.id = fmt::format("{}/{}{}@{}", place.text(), word_of(watch.measured), watch.limit, detected / nanos_per_ms);
  const int64_t newest = std::max(settled, track.last_second);
  const Sums since = track.ring.sum(onset, newest);
  if (watch.is_rate()) {
    s.baseline = watch.usual;
    s.observed = since.n / static_cast<double>(std::max<int64_t>(1, settled - onset + 1));
  } else {
    watch.usual = norm.usual;
    const Sums& usual = track.usual.sums;
    s.baseline = track.ready() ? bad_of(watch, usual) / std::max(1.0, usual.n) : watch.bad_allowed;
    s.observed = since.n > 0 ? bad_of(watch, since) / since.n : 0;
  }
  s.latest = s.observed;
  if (watch.measured == Measured::slow) s.limit_ms = track.slow_limits[watch.limit];
  watch.symptom = s;
  watch.recovery = 0;
  watch.good_since = 0;
  watch.judged_until = settled;
  watch.last_traffic = newest;
  describe(watch, place, track, since);
}

namespace {

// Evidence of one settled second that the measure is back.
double back(const Watch& watch, const Sums& sums) {
  if (watch.is_rate()) {
    const bool good =
        watch.measured == Measured::kpi_surge ? sums.n < watch.usual * 1.5 : sums.n > watch.usual * rate_back;
    return good ? 1 : -recovered_at;
  }
  if (!(sums.n > 0)) return 0;
  const double healthy = std::clamp(watch.usual, 1e-4, 0.9);
  const double seen = std::clamp(watch.symptom->observed, with_odds(healthy, 4), 0.98);
  const double odds = std::sqrt(seen / (1 - seen) * (1 - healthy) / healthy);  // half way, in log odds
  const double sick = with_odds(healthy, std::max(odds, 2.0));
  const double weight = sums.spans > 0 ? sums.spans / sums.n : 1;
  return -log_ratio(bad_of(watch, sums), sums.n, healthy, sick) * weight;
}

void follow_second(Watch& watch, const Sums& sums, int64_t second) {
  const double gain = back(watch, sums);
  if (watch.recovery + gain <= 0) {
    watch.recovery = 0;
    watch.good_since = 0;
    return;
  }
  if (watch.good_since == 0 && gain > 0) watch.good_since = second;
  watch.recovery += gain;
}

void refresh(Watch& watch, const Track& track, int64_t settled) {
  Symptom& s = *watch.symptom;
  const int64_t onset = std::max(s.started / nanos_per_s, settled - remembered_s + 1);
  const int64_t until = watch.good_since > 0 ? watch.good_since - 1 : settled;
  const Sums* last = track.ring.find(settled);
  if (watch.is_rate()) {
    s.latest = last == nullptr ? 0 : last->n;
  } else {
    if (last != nullptr && last->n > 0) s.latest = bad_of(watch, *last) / last->n;
    const Sums since = track.ring.sum(onset, until);
    if (since.n > 0) s.observed = bad_of(watch, since) / since.n;
  }
}

}  // namespace

bool follow_symptom(Watch& watch, const Track& track, int64_t settled) {
  for (int64_t s = std::max(watch.judged_until + 1, settled - remembered_s + 1); s <= settled; ++s) {
    const Sums* sums = track.ring.find(s);
    if (sums != nullptr && sums->n > 0) watch.last_traffic = s;
    follow_second(watch, sums == nullptr ? Sums{} : *sums, s);
  }
  watch.judged_until = std::max(watch.judged_until, settled);
  refresh(watch, track, settled);
  const bool held = watch.good_since > 0 && settled - watch.good_since + 1 >= hold_s;
  const bool silent = !watch.is_rate() && settled - watch.last_traffic > no_traffic_s;
  if (!(held && watch.recovery >= recovered_at) && !silent) return false;
  watch.symptom->ended = (silent ? watch.last_traffic + 1 : watch.good_since) * nanos_per_s;
  watch.healthy_since = watch.symptom->ended / nanos_per_s;
  const int64_t lasted = (watch.symptom->ended - watch.symptom->started) / nanos_per_s;
  if (lasted <= cluster_lasts_s && !silent) watch.cluster = std::max(watch.cluster, watch.excursion);
  return true;
}

}  // namespace hs::loop
