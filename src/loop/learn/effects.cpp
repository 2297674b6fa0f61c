#include "loop/learn/effects.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

namespace hs::loop {
namespace {
constexpr double kin_weight = 0.25;  // the same change under another kind of cause or measure is a relative only
constexpr double prior = 1;          // one imagined success and one imagined failure: log odds 0, wide
}  // namespace

Effects::Counts Effects::decayed(Counts counts, UnixNanos at) {
  if (at <= counts.at) return counts;  // events of one clock; a step back never revives old evidence
  double days = static_cast<double>(at - counts.at) / (86'400.0 * nanos_per_s);
  double keep = std::exp2(-days / effect_half_life_days);
  return {counts.repaired * keep, counts.failed * keep, at};
}

void Effects::observe(const Effect& key, bool repaired, double weight, UnixNanos at) {
  if (counts_.size() >= effects_max) make_room();
  Counts& counts = counts_[{key.knob, key.to, key.cause_kind, key.measure}];
  counts = decayed(counts, at);
  counts.at = std::max(counts.at, at);
  (repaired ? counts.repaired : counts.failed) += weight;
}

Effect Effects::estimate(const Effect& key, UnixNanos at) const {
  double repaired = 0, failed = 0;
  for (auto it = counts_.lower_bound({key.knob, key.to, "", ""}); it != counts_.end(); ++it) {
    const auto& [knob, to, kind, measure] = it->first;
    if (knob != key.knob || to != key.to) break;
    Counts counts = decayed(it->second, at);
    double weight = kind == key.cause_kind && measure == key.measure ? 1 : kin_weight;
    repaired += weight * counts.repaired;
    failed += weight * counts.failed;
  }
  Effect effect = key;
  effect.n = repaired + failed;
  effect.mean = std::log((repaired + prior) / (failed + prior));
  effect.deviation = std::sqrt(1 / (repaired + prior) + 1 / (failed + prior));
  return effect;
}

void Effects::make_room() {
  auto weakest = std::min_element(counts_.begin(), counts_.end(), [](const auto& a, const auto& b) {
    return a.second.repaired + a.second.failed < b.second.repaired + b.second.failed;
  });
  counts_.erase(weakest);
}

nlohmann::json Effects::snapshot() const {
  auto out = nlohmann::json::array();
  for (const auto& [key, counts] : counts_) {
    const auto& [knob, to, kind, measure] = key;
    out.push_back({knob, to, kind, measure, counts.repaired, counts.failed, counts.at});
  }
  return out;
}

Result<Effects> Effects::restore(const nlohmann::json& from) {
  Effects effects;
  if (!from.is_array() || from.size() > effects_max) return fail(Code::invalid_argument, "effects: not a list");
  for (const auto& row : from) {
    bool texts = row.is_array() && row.size() == 7;
    for (size_t i = 0; texts && i < 7; ++i) texts = i < 4 ? row[i].is_string() : row[i].is_number();
    if (!texts) return fail(Code::invalid_argument, "effects: a row is not [knob,to,kind,measure,repaired,failed,at]");
    effects.counts_[{row[0].get<std::string>(), row[1].get<std::string>(), row[2].get<std::string>(),
                     row[3].get<std::string>()}] = {row[4].get<double>(), row[5].get<double>(),
                                                    row[6].get<UnixNanos>()};
  }
  return effects;
}

}  // namespace hs::loop
