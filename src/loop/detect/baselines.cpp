// What was learned of the past, over a restart: History's tracks without their last seconds, the tracks of KPIs, probes
// and warnings, and what watches know. docs/formats/loop_memory.md

#include <fmt/format.h>

#include "base/archive.h"
#include "loop/detect/detector.h"
#include "stream/sketch_archive.h"

namespace hs::loop {
namespace {

constexpr std::string_view magic = "homeostat-baselines/2\n";
constexpr size_t watches_bytes_max = baselines_bytes_max / 4;
constexpr size_t remembered_max = 20'000;  // watches of a file; there are a few for each operation and edge
constexpr double cluster_worth = 1;        // a smaller one changes nothing

}  // namespace

template <class A>
void fields(A& a, OperationKey& v) {
  archive::all(a, v.service, v.operation);
}
template <class A>
void fields(A& a, EdgeKey& v) {
  archive::all(a, v.service, v.peer);
}
template <class A>
void fields(A& a, InstanceKey& v) {
  archive::all(a, v.service, v.instance);
}
template <class A>
void fields(A& a, CallKey& v) {
  archive::all(a, v.service, v.operation, v.callee, v.callee_operation);
}
template <class A>
void fields(A& a, Sums& v) {
  auto& [n, spans, errors, own_errors, denied, limited, total_ms, self_ms, waiting_ms, slow, subjects] = v;
  archive::all(a, n, spans, errors, own_errors, denied, limited, total_ms, self_ms, waiting_ms, subjects);
  for (double& share : slow) archive::put(a, share);
}
template <class A>
void fields(A& a, CallSums& v) {
  auto& [n, errors, total_ms, offset_ms, joined, joined_ms, callee_ms, answered_errors, callee_errors] = v;
  archive::all(a, n, errors, total_ms, offset_ms, joined, joined_ms, callee_ms, answered_errors, callee_errors);
}
template <class A>
void fields(A& a, Overdispersion& v) {
  double weighted = v.weighted(), weight = v.weight();
  archive::all(a, weighted, weight);
  v.restore(weighted, weight);
}
// Not its seconds: they are of before the restart. It begins again with the first one that arrives.
template <class A>
void fields(A& a, Track& v) {
  archive::all(a, v.usual.sums, v.usual.seconds, v.usual_ms, v.error_spread, v.denied_spread, v.rate_spread, v.lag_s);
  for (double& limit : v.slow_limits) archive::put(a, limit);
  for (Overdispersion& spread : v.spread) archive::put(a, spread);
}
template <class A>
void fields(A& a, CallTrack& v) {
  archive::all(a, v.usual.sums, v.usual.seconds, v.traced, v.async);
}

template <class A>
void fields(A& a, Burn::Minute& v) {
  archive::all(a, v.minute, v.bad, v.n);
}
template <class A>
void fields(A& a, Symptom& v) {
  auto& [id, kind, service, operation, instance, peer, objective, started, detected, ended, baseline, observed, latest,
         limit_ms, strength, page, evidence] = v;
  archive::all(a, id, kind, service, operation, instance, peer, objective, started, detected, ended, baseline, observed,
               latest, limit_ms, strength, page, evidence);
}

namespace {

const Track& track_of(const Track& track) { return track; }
const CallTrack& track_of(const CallTrack& track) { return track; }
const Track& track_of(const Track* track) { return *track; }

template <class Map>
void write(archive::Writer& to, const Map& map) {
  for (const auto& [key, value] : map) {
    const auto& track = track_of(value);
    if (!(track.usual.seconds > 0) || to.out.size() > baselines_bytes_max) continue;
    bool more = true;
    archive::put(to, more);
    archive::all(to, const_cast<typename Map::key_type&>(key),
                 const_cast<std::remove_cvref_t<decltype(track)>&>(track));
  }
  bool more = false;
  archive::put(to, more);
}

template <class Map>
Map read(archive::Reader& from, int64_t now) {
  Map map;
  for (bool more = false;;) {
    archive::put(from, more);
    if (!more || !from.good() || map.size() >= tracks_max) break;
    typename Map::key_type key;
    typename Map::mapped_type track;
    archive::all(from, key, track);
    track.last_second = now;  // so that it makes no room at once
    map.emplace(std::move(key), std::move(track));
  }
  return map;
}

// The same in every run and under every configuration that means the same: a declared limit by its milliseconds.
std::string name_of(const Place& place, const Track& track, const Watch& watch) {
  const double limit = watch.measured != Measured::slow ? 0
                       : watch.learned()                ? static_cast<double>(watch.limit)
                                                        : track.slow_limits[watch.limit];
  return fmt::format("{}/{}/{}/{}", place.text(), static_cast<int>(watch.measured), limit, watch.objective);
}

}  // namespace

void History::save(archive::Writer& to) const {
  write(to, operations), write(to, edges), write(to, instances), write(to, calls);
}

void History::load(archive::Reader& from, int64_t now) {
  operations = read<decltype(operations)>(from, now);
  edges = read<decltype(edges)>(from, now);
  instances = read<decltype(instances)>(from, now);
  calls = read<decltype(calls)>(from, now);
}

void Detector::remember(const Place& place, const Track& track, const Watch& watch,
                        std::map<std::string, Remembered>& in) const {
  Remembered known{.usual = watch.usual};
  if (watch.cluster >= cluster_worth) known.cluster = watch.cluster;
  if (!watch.burn.empty()) known.burn = watch.burn.saved();
  if (watch.accepted) known.accepted = watch.symptom;
  const bool something = known.cluster > 0 || !known.burn.empty() || known.accepted;
  if (something && in.size() < remembered_max) in[name_of(place, track, watch)] = std::move(known);
}

void Detector::recall(const Place& place, const Track& track, std::vector<Watch>& watches) {
  if (remembered_.empty()) return;
  for (Watch& w : watches) {
    const auto node = remembered_.extract(name_of(place, track, w));
    if (node.empty()) continue;
    const Remembered& known = node.mapped();
    w.cluster = known.cluster;
    w.burn.restore(known.burn, now_);
    if (!known.accepted) continue;
    w.symptom = known.accepted;
    w.accepted = true;
    w.usual = known.usual;
    w.judged_until = w.last_traffic = now_;
  }
}

void Detector::recall(const std::string& kind, const std::string& name, Watched& watched) {
  if (auto node = remembered_tracks_.extract(kind + "/" + name); !node.empty())
    watched.track = std::move(node.mapped());
  recall(watched.place, watched.track, watched.watches);
}

std::string Detector::baselines() const {
  std::map<std::string, Remembered> known;
  for (const auto& [name, one] : remembered_)  // not made again yet; learned ones do not wait for ever
    if (!one.burn.empty()) known.emplace(name, one);
  for (const auto& [key, watches] : operation_watches_)
    if (const auto track = history_.operations.find(key); track != history_.operations.end())
      for (const Watch& w : watches) remember({key.service, key.operation, ""}, track->second, w, known);
  for (const auto& [key, watches] : edge_watches_)
    if (const auto track = history_.edges.find(key); track != history_.edges.end())
      for (const Watch& w : watches) remember({key.service, "", key.peer}, track->second, w, known);
  std::map<std::string, const Track*> tracks;
  for (const auto& [kind, all] : {std::pair{"kpi/", &kpis_}, {"probe/", &probes_}, {"warnings/", &warnings_}})
    for (const auto& [name, watched] : *all) {
      for (const Watch& w : watched.watches) remember(watched.place, watched.track, w, known);
      tracks.emplace(kind + name, &watched.track);
    }
  archive::Writer body;
  int64_t at = now_;
  archive::put(body, at);
  for (auto& [name, one] : known) {
    if (body.out.size() > watches_bytes_max) break;
    bool more = true;
    archive::all(body, more, const_cast<std::string&>(name), one.cluster, one.usual, one.burn, one.accepted);
  }
  bool more = false;
  archive::put(body, more);
  write(body, tracks);
  history_.save(body);
  return archive::sealed(magic, body.out);
}

Status Detector::restore(std::string_view bytes, int64_t now) {
  HS_ASSIGN(const std::string_view body, archive::unsealed(magic, bytes));
  archive::Reader reader(body);
  int64_t at = 0;
  archive::put(reader, at);
  std::map<std::string, Remembered> known;
  for (bool more = false;;) {
    archive::put(reader, more);
    if (!more || !reader.good()) break;
    if (known.size() >= remembered_max) reader.stop();
    std::string name;
    Remembered one;
    archive::all(reader, name, one.cluster, one.usual, one.burn, one.accepted);
    known.emplace(std::move(name), std::move(one));
  }
  auto tracks = read<std::map<std::string, Track>>(reader, now);
  History fresh;
  fresh.load(reader, now);
  if (!reader.good() || !reader.done()) return fail(Code::invalid_argument, "they are not as they were written");
  if (at - now > baselines_age_max_s) return fail(Code::invalid_argument, "they are of the future");
  remembered_ = std::move(known);
  if (now - at > baselines_age_max_s) {
    for (auto& [name, one] : remembered_) one = {.burn = std::move(one.burn)};
    return fail(Code::invalid_argument,
                fmt::format("they are {} s old, of another hour of the day; only the burn rates are taken", now - at));
  }
  remembered_tracks_ = std::move(tracks);
  history_ = std::move(fresh);
  return {};
}

}  // namespace hs::loop
