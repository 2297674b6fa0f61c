#include "loop/machine/permits.h"

#include <fmt/format.h>

#include "loop/json.h"

namespace hs::loop {
namespace {
constexpr int64_t hour_ns = 3600LL * nanos_per_s;
}

void Permits::order(const Operator& word) {
  switch (word.order) {
    case Order::stop:
      stopped_ = true;
      break;
    case Order::resume:
      stopped_ = false;
      break;
    case Order::freeze:
      word.knob.empty() ? void(frozen_ = true) : void(frozen_knobs_.insert(word.knob));
      break;
    case Order::thaw:
      word.knob.empty() ? void(frozen_ = false) : void(frozen_knobs_.erase(word.knob));
      break;
    case Order::forbid:
      forbidden_.insert(word.knob);
      break;
    case Order::allow:
      forbidden_.erase(word.knob);
      break;
    case Order::reset:  // what is in force ends; what may be done stays as it was
      break;
  }
}

std::string Permits::refusal(const std::string& knob, const Policy& policy, UnixNanos now) {
  while (!begun_.empty() && begun_.front() <= now - hour_ns) begun_.pop_front();
  if (stopped_) return "stopped by the operator";
  if (frozen_) return "changes are frozen";
  if (forbidden_.contains(knob)) return "the operator forbids this knob";
  if (frozen_knobs_.contains(knob)) return "this knob is frozen";
  if (begun_.size() >= policy.changes_per_hour)
    return fmt::format("the budget of {} changes an hour is spent", policy.changes_per_hour);
  return "";
}

std::string Permits::refusal(const std::string& knob, const std::string& to, const std::string& cause, UnixNanos now) {
  auto found = cooling_.find({knob, to, cause});
  return found != cooling_.end() && found->second > now ? "it did not help a short while ago" : "";
}

void Permits::began(UnixNanos now) { begun_.push_back(now); }

void Permits::cool(const std::string& knob, const std::string& to, const std::string& cause, UnixNanos until) {
  if (cooling_.size() >= cooling_max) cooling_.clear();  // forgetting allows a retry; it is never unsafe
  cooling_[{knob, to, cause}] = until;
}

nlohmann::json Permits::snapshot() const {
  auto cooling = nlohmann::json::array();
  for (const auto& [key, until] : cooling_)
    cooling.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), until});
  return {{"stopped", stopped_},     {"frozen", frozen_}, {"frozen_knobs", frozen_knobs_},
          {"forbidden", forbidden_}, {"begun", begun_},   {"cooling", cooling}};
}

Permits Permits::restore(const nlohmann::json& from) {
  Permits p;
  p.stopped_ = field(from, "stopped", false), p.frozen_ = field(from, "frozen", false);
  for (const auto& knob : list(from, "frozen_knobs"))
    if (knob.is_string()) p.frozen_knobs_.insert(knob.get<std::string>());
  for (const auto& knob : list(from, "forbidden"))
    if (knob.is_string()) p.forbidden_.insert(knob.get<std::string>());
  for (const auto& at : list(from, "begun"))
    if (at.is_number()) p.begun_.push_back(at.get<UnixNanos>());
  for (const auto& row : list(from, "cooling")) {
    bool good = row.is_array() && row.size() == 4 && row[0].is_string() && row[1].is_string() && row[2].is_string() &&
                row[3].is_number();
    if (good)
      p.cooling_[{row[0].get<std::string>(), row[1].get<std::string>(), row[2].get<std::string>()}] =
          row[3].get<UnixNanos>();
  }
  return p;
}

}  // namespace hs::loop
