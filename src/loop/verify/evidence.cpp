#include "loop/verify/evidence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace hs::loop {
namespace {

constexpr double rho_min = 0.02;  // requests of one user are never quite independent
// Alternatives. Better: the bad share falls to this part (where nearly all is bad, odds would mean nothing).
constexpr std::array better_risk = {1 / 20.0, 1 / 6.0, 1 / 2.0};
constexpr double hoped_risk = 1 / 2.0;
// Worse: the odds of being bad rise this much.
constexpr std::array worse_odds = {2.0, 6.0, 20.0};
constexpr double rate_min = 1e-6;

struct Pooled {  // both arms together, blind to which is which
  double rate = 0, rho = rho_min;
};

// Intra-unit correlation by analysis of variance (Donner 1986): 0 = independent requests, 1 = all alike.
double correlation_within(std::span<const UnitTally> units, double rate) {
  double n = 0, squares = 0, between = 0, within = 0, k = 0;
  for (const auto& u : units) {
    if (u.n <= 0) continue;
    double share = u.bad / u.n;
    n += u.n, squares += u.n * u.n, k += 1;
    between += u.n * (share - rate) * (share - rate);
    within += u.n * share * (1 - share);
  }
  if (k < 2 || n - k < 1) return 1;  // nearly nobody came twice: repeats tell nothing new
  double between_mean = between / (k - 1), within_mean = within / (n - k);
  double size = (n - squares / n) / (k - 1);
  double denominator = between_mean + (size - 1) * within_mean;
  if (denominator <= 0) return 1;
  return std::clamp((between_mean - within_mean) / denominator, rho_min, 1.0);
}

double weight_of(const UnitTally& u, double rho) { return u.n > 0 ? 1 / (1 + (u.n - 1) * rho) : 0; }

Pooled pool(std::span<const UnitTally> units) {
  double n = 0, bad = 0;
  for (const auto& u : units) n += u.n, bad += u.bad;
  Pooled p;
  p.rho = correlation_within(units, n > 0 ? bad / n : 0);
  double wn = 0, wbad = 0;
  for (const auto& u : units) {
    double w = weight_of(u, p.rho);
    wn += w * u.n, wbad += w * u.bad;
  }
  p.rate = (wbad + 0.5) / (wn + 1);
  return p;
}

double with_odds(double rate, double ratio) {
  double odds = rate / (1 - rate) * ratio;
  return odds / (1 + odds);
}

// The control's rate such that both arms together give the pooled rate, if treated odds = control odds * ratio.
double control_rate_for(double pooled, double exposure, double ratio) {
  double low = 0, high = 1;
  for (int i = 0; i < 40; ++i) {
    double middle = (low + high) / 2;
    double mixed = exposure * with_odds(middle, ratio) + (1 - exposure) * middle;
    (mixed < pooled ? low : high) = middle;
  }
  return std::clamp((low + high) / 2, rate_min, 1 - rate_min);
}

struct Rates {
  double treated = 0, control = 0;
};
Rates of_risk(double pooled, double exposure, double ratio) {
  double control = std::clamp(pooled / (exposure * ratio + 1 - exposure), rate_min, 1 - rate_min);
  return {std::clamp(control * ratio, rate_min, 1 - rate_min), control};
}
Rates of_odds(double pooled, double exposure, double ratio) {
  double control = control_rate_for(pooled, exposure, ratio);
  return {std::clamp(with_odds(control, ratio), rate_min, 1 - rate_min), control};
}

double log_e_for(std::span<const UnitTally> units, const Pooled& pooled, double exposure, const Rates& rates) {
  double per_bad = std::log(rates.treated / rates.control);
  double per_good = std::log((1 - rates.treated) / (1 - rates.control));
  double sum = 0;
  for (const auto& u : units) {
    double log_likelihood = weight_of(u, pooled.rho) * (u.bad * per_bad + (u.n - u.bad) * per_good);
    double mixed = std::log(exposure * std::exp(log_likelihood) + 1 - exposure);
    sum += (u.treated ? log_likelihood : 0) - mixed;
  }
  return sum;
}

template <size_t n>
double mixture(const std::array<double, n>& logs) {
  double top = *std::max_element(logs.begin(), logs.end()), sum = 0;
  for (double l : logs) sum += std::exp(l - top);
  return top + std::log(sum / static_cast<double>(n));
}

}  // namespace

Contrast contrast(std::span<const UnitTally> units, double exposure) {
  Contrast c;
  double n[2] = {}, bad[2] = {};
  Pooled pooled = pool(units);
  for (const auto& u : units) {
    if (u.n <= 0) continue;
    n[u.treated] += u.n, bad[u.treated] += u.bad;
    (u.treated ? c.treated_units : c.control_units)++;
    c.bad += u.bad, c.bad_effective += weight_of(u, pooled.rho) * u.bad;
  }
  c.control_rate = n[0] > 0 ? bad[0] / n[0] : 0;
  c.treated_rate = n[1] > 0 ? bad[1] / n[1] : 0;
  if (exposure <= 0 || exposure >= 1 || c.treated_units + c.control_units == 0) return c;
  std::array<double, better_risk.size()> better{};
  std::array<double, worse_odds.size()> worse{};
  for (size_t i = 0; i < better.size(); ++i)
    better[i] = log_e_for(units, pooled, exposure, of_risk(pooled.rate, exposure, better_risk[i]));
  for (size_t i = 0; i < worse.size(); ++i)
    worse[i] = log_e_for(units, pooled, exposure, of_odds(pooled.rate, exposure, worse_odds[i]));
  c.log_e_better = mixture(better), c.log_e_worse = mixture(worse);
  c.log_e_hoped = log_e_for(units, pooled, exposure, of_risk(pooled.rate, exposure, hoped_risk));
  return c;
}

double Looks::threshold(double bad_effective) {
  taken_ += 1;
  next_ = std::max(next_, bad_effective) * growth_;
  double k = static_cast<double>(taken_);
  return std::log(k * (k + 1) / alpha_);
}

double first_look(double alpha, double log_per_bad) { return std::max(3.0, 0.9 * std::log(2 / alpha) / log_per_bad); }

Block total(std::span<const Block> blocks) {
  Block sum;
  for (const Block& b : blocks) sum += b;
  return sum;
}

namespace {

// Pearson's chi square of blocks against their common rate, and its degrees of freedom.
struct Spread {
  double chi = 0, degrees = 0;
  Spread& operator+=(const Spread& more) {
    chi += more.chi, degrees += more.degrees;
    return *this;
  }
};
Spread spread_of(std::span<const Block> blocks) {
  Block sum = total(blocks);
  double rate = (sum.bad + 0.5) / (sum.n + 1), k = 0;
  Spread out;
  for (const auto& b : blocks) {
    if (b.n <= 0) continue;
    double expected = b.n * rate;
    out.chi += (b.bad - expected) * (b.bad - expected) / (expected * (1 - rate));
    k += 1;
  }
  out.degrees = std::max(0.0, k - 1);
  return out;
}

// How much more the blocks differ than independent requests would.
double overdispersion_of(const Spread& s) {
  return s.degrees > 0 ? std::max(overdispersion_min, s.chi / s.degrees) : overdispersion_min;
}
double overdispersion_of(std::span<const Block> blocks) { return overdispersion_of(spread_of(blocks)); }

double log_beta(double a, double b) { return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b); }

double log_ways(double n, double k) { return -std::log(n + 1) - log_beta(k + 1, n - k + 1); }

double logit(const Block& b, double scale) { return std::log((b.bad / scale + 0.5) / ((b.n - b.bad) / scale + 0.5)); }
double logit_variance(const Block& b, double scale) {
  return 1 / (b.bad / scale + 0.5) + 1 / ((b.n - b.bad) / scale + 0.5);
}

}  // namespace

double fisher(const Successes& treated, const Successes& control) {
  if (treated.good * control.n <= control.good * treated.n) return 0;
  const double good = treated.good + control.good;
  const auto log_chance = [&](double k) { return log_ways(treated.n, k) + log_ways(control.n, good - k); };
  const double first = log_chance(treated.good);  // the most likely of those that count
  double more = 0;
  for (double k = treated.good; k <= std::min(treated.n, good); k += 1) more += std::exp(log_chance(k) - first);
  return log_ways(treated.n + control.n, good) - first - std::log(more);
}

Drop drop_between(std::span<const Block> before, std::span<const Block> after) {
  Drop d;
  Block b = total(before), a = total(after);
  d.before = b.share(), d.after = a.share();
  auto told = [](const Block& block) { return block.n > 0; };
  d.before_n = std::count_if(before.begin(), before.end(), told);
  d.after_n = std::count_if(after.begin(), after.end(), told);
  d.overdispersion = overdispersion_of(before);
  if (b.n <= 0 || a.n <= 0) return d;
  double scale = d.overdispersion;
  auto marginal = [&](double bad, double n) { return log_beta(bad / scale + 0.5, (n - bad) / scale + 0.5); };
  double log_factor =
      marginal(b.bad, b.n) + marginal(a.bad, a.n) - marginal(b.bad + a.bad, b.n + a.n) - log_beta(.5, .5);
  d.log_e = d.after < d.before ? log_factor : std::min(0.0, -log_factor);
  size_t half = before.size() / 2;
  double early = total(before.first(half)).share(), late = total(before.last(before.size() - half)).share();
  d.falling_before = before.size() >= 4 && late < 0.6 * early;
  return d;
}

namespace {

constexpr double alike_deviation = 0.25;        // of log odds: instances under one fault never move quite alike
constexpr double hardly_any_bad = 3;            // of the others, before and since: nothing happened to them
constexpr int grid_half = 20, course_half = 8;  // points on each side of what is expected, to so many deviations
constexpr double grid_deviations = 4;
constexpr std::array harm_odds = {2.0, 6.0, 20.0, 100.0};  // where hardly any failed, harm is a great change of odds

// What happened to the others: a change of log odds, and how sure that is of an instance of which nothing is known.
struct Course {
  double change = 0, variance = 0;
};

// How much more the others' changes differ among each other than their counts explain (DerSimonian and Laird).
double between_instances(std::span<const Lived> others, double scale) {
  double weights = 0, squares = 0, sum = 0, sum_squares = 0, k = 0;
  for (const Lived& one : others) {
    const Block b = total(one.before), a = total(one.after);
    if (b.n <= 0 || a.n <= 0) continue;
    const double change = logit(a, scale) - logit(b, scale);
    const double weight = 1 / (logit_variance(a, scale) + logit_variance(b, scale));
    weights += weight, squares += weight * weight, sum += weight * change, sum_squares += weight * change * change;
    k += 1;
  }
  if (k < 2) return 0;
  const double q = sum_squares - sum * sum / weights;
  return std::max(0.0, (q - (k - 1)) / (weights - squares / weights));
}

Course course_of(std::span<const Lived> others, const Block& before, const Block& after, double scale) {
  Course out{.variance = alike_deviation * alike_deviation};
  if (before.bad / scale < hardly_any_bad && after.bad / scale < hardly_any_bad) return out;
  out.change = logit(after, scale) - logit(before, scale);
  out.variance += logit_variance(after, scale) + logit_variance(before, scale) + between_instances(others, scale);
  return out;
}

double share_at(double log_odds) { return std::clamp(1 / (1 + std::exp(-log_odds)), rate_min, 1 - rate_min); }

// What the treated one's share may be now if the change does nothing: log odds, each with its weight. Its own past as
// the Beta distribution that its counts leave (none bad of many is known well, and a normal would not say so), moved by
// the course of the others.
struct Expected {
  std::vector<std::pair<double, double>> log_odds;
  double middle = 0;
};
Expected expected_from(const Block& before, double scale, const Course& course) {
  const double bad = before.bad / scale + 0.5, good = (before.n - before.bad) / scale + 0.5;
  const double past = std::log(bad / good), past_deviation = std::sqrt(1 / bad + 1 / good);
  const auto density = [&](double x) { return bad * std::log(share_at(x)) + good * std::log1p(-share_at(x)); };
  Expected out{.middle = past + course.change};
  for (int i = -grid_half; i <= grid_half; ++i) {
    const double x = past + grid_deviations * past_deviation * i / grid_half;
    const double own = std::exp(density(x) - density(past));
    for (int j = -course_half; j <= course_half; ++j) {
      const double z = grid_deviations * j / course_half;
      const double moved = x + course.change + z * std::sqrt(course.variance);
      out.log_odds.emplace_back(moved, own * std::exp(-z * z / 2));
    }
  }
  return out;
}

// Log of the mean likelihood of `seen` when its share is `turn` of what is expected.
template <class Turn>
double log_likelihood(const Block& seen, double scale, const Expected& expected, Turn turn) {
  std::vector<double> logs;
  logs.reserve(expected.log_odds.size());
  double top = -1e300, sum = 0, weights = 0;
  for (const auto& [log_odds, weight] : expected.log_odds) {
    const double p = std::clamp(turn(share_at(log_odds)), rate_min, 1 - rate_min);
    logs.push_back((seen.bad * std::log(p) + (seen.n - seen.bad) * std::log1p(-p)) / scale);
    top = std::max(top, logs.back() + std::log(weight + 1e-300));
  }
  for (size_t i = 0; i < logs.size(); ++i) {
    sum += expected.log_odds[i].second * std::exp(logs[i] - top), weights += expected.log_odds[i].second;
  }
  return top + std::log(sum / weights);
}

}  // namespace

Difference difference_between(const Lived& treated, std::span<const Lived> others) {
  Difference d;
  const Block tb = total(treated.before), ta = total(treated.after);
  Block cb, ca;
  Spread spread = spread_of(treated.before);
  for (const Lived& one : others) {
    cb += total(one.before), ca += total(one.after);
    spread += spread_of(one.before), spread += spread_of(one.after);
    d.control_n += std::count_if(one.after.begin(), one.after.end(), [](const Block& b) { return b.n > 0; });
  }
  d.treated_n = std::count_if(treated.after.begin(), treated.after.end(), [](const Block& b) { return b.n > 0; });
  d.before = tb.share(), d.after = ta.share(), d.control_before = cb.share(), d.control_after = ca.share();
  const double scale = d.overdispersion = std::max(overdispersion_of(spread), overdispersion_of(treated.before));
  d.bad_effective = (ta.bad + ca.bad) / scale;
  if (tb.n <= 0 || ta.n <= 0 || cb.n <= 0 || ca.n <= 0) return d;
  const Course course = course_of(others, cb, ca, scale);
  const Expected expected = expected_from(tb, scale, course);
  d.expected = share_at(expected.middle);
  const auto likelihood = [&](auto turn) { return log_likelihood(ta, scale, expected, turn); };
  const double useless = likelihood([](double p) { return p; });
  std::array<double, better_risk.size()> better{};
  std::array<double, harm_odds.size()> worse{};
  for (size_t i = 0; i < better.size(); ++i)
    better[i] = likelihood([&](double p) { return p * better_risk[i]; }) - useless;
  for (size_t i = 0; i < worse.size(); ++i)
    worse[i] = likelihood([&](double p) { return with_odds(p, harm_odds[i]); }) - useless;
  d.log_e_better = mixture(better), d.log_e_worse = mixture(worse);
  d.log_e_hoped = likelihood([](double p) { return p * hoped_risk; }) - useless;
  return d;
}

}  // namespace hs::loop
