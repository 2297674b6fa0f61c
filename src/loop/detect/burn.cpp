#include "loop/detect/burn.h"

#include <algorithm>

namespace hs::loop {
namespace {

struct Alert {
  const char* severity;
  int64_t long_minutes, short_minutes;
  double part;  // of the budget
  double factor(int64_t budget_minutes) const {
    return part * static_cast<double>(budget_minutes) / static_cast<double>(long_minutes);
  }
};
// Of 30 days: 14.4, 6, 3 and 1 times as fast as lasts.
constexpr Alert alerts[] = {
    {"page", 60, 5, 0.02}, {"page", 360, 30, 0.05}, {"ticket", 1'440, 120, 0.1}, {"ticket", 4'320, 360, 0.1}};
constexpr double factor_min = 1 - 1e-9;  // slower than the budget lasts is no alarm

constexpr int64_t exact_minutes = 360;  // the longest short window

constexpr double requests_needed = 50;  // in the short window: fewer say little about a share

}  // namespace

void Burn::add(int64_t second, double bad, double n) {
  bad_ += bad;
  n_ += n;
  const int64_t minute = second / 60;
  if (ring_.empty()) ring_.resize(minutes_max);
  Minute& at = ring_[static_cast<size_t>(minute % minutes_max)];
  if (at.minute > minute) return;  // older than the longest window
  if (at.minute != minute) at = {minute, 0, 0};
  at.bad += bad;
  at.n += n;
  newest_ = std::max(newest_, minute);
}

double Burn::rate(int64_t minutes, double allowed) const {
  double bad = 0, n = 0;
  for (int64_t m = newest_ - minutes + 1; m <= newest_ && !ring_.empty(); ++m) {
    if (m < 0) continue;
    const Minute& at = ring_[static_cast<size_t>(m % minutes_max)];
    if (at.minute == m) bad += at.bad, n += at.n;
  }
  return n > 0 && allowed > 0 ? bad / n / allowed : 0;
}

std::string Burn::severity(double allowed, int64_t budget_minutes) const {
  for (const Alert& a : alerts) {
    const double factor = a.factor(budget_minutes);
    if (factor < factor_min) continue;
    double n = 0;
    for (int64_t m = std::max<int64_t>(0, newest_ - a.short_minutes + 1); m <= newest_ && !ring_.empty(); ++m) {
      const Minute& at = ring_[static_cast<size_t>(m % minutes_max)];
      if (at.minute == m) n += at.n;
    }
    if (n >= requests_needed && rate(a.long_minutes, allowed) > factor && rate(a.short_minutes, allowed) > factor)
      return a.severity;
  }
  return "";
}

std::vector<Burn::Minute> Burn::saved() const {
  std::vector<Minute> out;
  for (int64_t m = std::max<int64_t>(0, newest_ - minutes_max + 1); m <= newest_ && !ring_.empty(); ++m) {
    const Minute& at = ring_[static_cast<size_t>(m % minutes_max)];
    if (at.minute != m || !(at.n > 0)) continue;
    const bool single = m > newest_ - exact_minutes;
    if (!single && !out.empty() && out.back().minute / 60 == m / 60)
      out.back().bad += at.bad, out.back().n += at.n;
    else
      out.push_back(at);
  }
  return out;
}

void Burn::restore(const std::vector<Minute>& saved, int64_t second) {
  const int64_t now = second / 60;
  for (const Minute& m : saved)
    if (m.minute > now - minutes_max && m.minute <= now) add(m.minute * 60, m.bad, m.n);
  newest_ = std::max(newest_, now);  // the windows end now: what was down meanwhile burned nothing that we know of
}

}  // namespace hs::loop
