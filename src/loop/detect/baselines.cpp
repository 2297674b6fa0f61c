// What was learned of the past, over a restart: History's tracks without their last seconds.

#include <cstring>

#include <fmt/format.h>

#include "base/hash.h"
#include "loop/archive.h"
#include "loop/detect/history.h"

namespace hs::loop {
namespace {

constexpr std::string_view magic = "homeostat-baselines/1\n";

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

namespace {

template <class Map>
void write(archive::Writer& to, const Map& map) {
  for (const auto& [key, track] : map) {
    if (!(track.usual.seconds > 0) || to.out.size() > baselines_bytes_max) continue;
    bool more = true;
    archive::put(to, more);
    archive::all(to, const_cast<typename Map::key_type&>(key), const_cast<typename Map::mapped_type&>(track));
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

}  // namespace

std::string History::baselines(int64_t now) const {
  archive::Writer body;
  archive::put(body, now);
  write(body, operations), write(body, edges), write(body, instances), write(body, calls);
  const uint64_t hash = hash64(body.out);
  std::string out(magic);
  out.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  return out + body.out;
}

Status History::restore(std::string_view bytes, int64_t now) {
  uint64_t hash = 0;
  if (!bytes.starts_with(magic) || bytes.size() < magic.size() + sizeof hash)
    return fail(Code::invalid_argument, "they are not of a known version");
  std::memcpy(&hash, bytes.data() + magic.size(), sizeof hash);
  const std::string_view body = bytes.substr(magic.size() + sizeof hash);
  if (hash64(body) != hash) return fail(Code::invalid_argument, "they are damaged");
  archive::Reader reader(body);
  int64_t at = 0;
  archive::put(reader, at);
  if (now - at > baselines_age_max_s || at - now > baselines_age_max_s)
    return fail(Code::invalid_argument, fmt::format("they are {} s old: another hour of the day", now - at));
  History fresh;
  fresh.operations = read<decltype(operations)>(reader, now);
  fresh.edges = read<decltype(edges)>(reader, now);
  fresh.instances = read<decltype(instances)>(reader, now);
  fresh.calls = read<decltype(calls)>(reader, now);
  if (!reader.good() || !reader.done()) return fail(Code::invalid_argument, "they are not as they were written");
  *this = std::move(fresh);
  return {};
}

}  // namespace hs::loop
