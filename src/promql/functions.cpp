#include "promql/functions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "promql/buckets.h"
#include "promql/kahan.h"

namespace hs::promql {
namespace {

// Days since 1970-01-01 as a civil date.
struct Date {
  int64_t year = 1970;
  int month = 1;
  int day = 1;
};

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

int64_t days_of(int64_t seconds) { return floor_div(seconds, 86'400); }

// Eras of 400 years that begin on a first of March.
Date date_of(int64_t days) {
  days += 719'468;
  const int64_t era = floor_div(days, 146'097);
  const int64_t day_of_era = days - era * 146'097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted = (5 * day_of_year + 2) / 153;
  const int month = static_cast<int>(shifted < 10 ? shifted + 3 : shifted - 9);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
          static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1)};
}

bool leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

int days_in(int64_t year, int month) {
  static constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && leap(year) ? 29 : days[month - 1];
}

double days_in_month(int64_t s) {
  const Date d = date_of(days_of(s));
  return days_in(d.year, d.month);
}

double day_of_year(int64_t s) {
  const Date d = date_of(days_of(s));
  int day = d.day;
  for (int m = 1; m < d.month; ++m) day += days_in(d.year, m);
  return day;
}

double within(int64_t s, int64_t unit, int64_t count) {
  const int64_t n = floor_div(s, unit);
  return static_cast<double>(n - floor_div(n, count) * count);
}

double variance(const Histogram& h) {
  const double mean = h.sum / h.count;
  KahanSum total;
  for (const Bucket& b : all_buckets(h)) {
    if (b.count == 0) continue;
    double middle = 0;
    if (h.custom()) {
      middle = (b.upper + b.lower) / 2;
    } else if (b.lower > 0 || b.upper < 0) {
      middle = std::copysign(std::sqrt(b.upper * b.lower), b.upper);
    }
    const double delta = middle - mean;
    total.add(b.count * delta * delta);
  }
  return (total.sum + total.error) / h.count;
}

double sign(double v) { return v < 0 ? -1 : v > 0 ? 1 : v; }

template <class F>
struct Named {
  std::string_view name;
  F function;
};

template <class F, size_t n>
F find(const Named<F> (&table)[n], std::string_view name) {
  for (const Named<F>& entry : table) {
    if (entry.name == name) return entry.function;
  }
  return nullptr;
}

}  // namespace

FloatFunction find_float_function(std::string_view name) {
  static constexpr Named<FloatFunction> table[] = {
      {"abs", [](double v) { return std::abs(v); }},
      {"acos", [](double v) { return std::acos(v); }},
      {"acosh", [](double v) { return std::acosh(v); }},
      {"asin", [](double v) { return std::asin(v); }},
      {"asinh", [](double v) { return std::asinh(v); }},
      {"atan", [](double v) { return std::atan(v); }},
      {"atanh", [](double v) { return std::atanh(v); }},
      {"ceil", [](double v) { return std::ceil(v); }},
      {"cos", [](double v) { return std::cos(v); }},
      {"cosh", [](double v) { return std::cosh(v); }},
      {"deg", [](double v) { return v * (180 / std::numbers::pi); }},
      {"exp", [](double v) { return std::exp(v); }},
      {"floor", [](double v) { return std::floor(v); }},
      {"ln", [](double v) { return std::log(v); }},
      {"log10", [](double v) { return std::log10(v); }},
      {"log2", [](double v) { return std::log2(v); }},
      {"rad", [](double v) { return v * (std::numbers::pi / 180); }},
      {"sgn", sign},
      {"sin", [](double v) { return std::sin(v); }},
      {"sinh", [](double v) { return std::sinh(v); }},
      {"sqrt", [](double v) { return std::sqrt(v); }},
      {"tan", [](double v) { return std::tan(v); }},
      {"tanh", [](double v) { return std::tanh(v); }},
  };
  return find(table, name);
}

HistogramFunction find_histogram_function(std::string_view name) {
  static constexpr Named<HistogramFunction> table[] = {
      {"histogram_avg", [](const Histogram& h) { return h.sum / h.count; }},
      {"histogram_count", [](const Histogram& h) { return h.count; }},
      {"histogram_stddev", [](const Histogram& h) { return std::sqrt(variance(h)); }},
      {"histogram_stdvar", variance},
      {"histogram_sum", [](const Histogram& h) { return h.sum; }},
  };
  return find(table, name);
}

DateFunction find_date_function(std::string_view name) {
  static constexpr Named<DateFunction> table[] = {
      {"day_of_month", [](int64_t s) -> double { return date_of(days_of(s)).day; }},
      {"day_of_week", [](int64_t s) { return std::fmod(within(s, 86'400, 7) + 4, 7); }},
      {"day_of_year", day_of_year},
      {"days_in_month", days_in_month},
      {"hour", [](int64_t s) { return within(s, 3600, 24); }},
      {"minute", [](int64_t s) { return within(s, 60, 60); }},
      {"month", [](int64_t s) -> double { return date_of(days_of(s)).month; }},
      {"year", [](int64_t s) { return static_cast<double>(date_of(days_of(s)).year); }},
  };
  return find(table, name);
}

int64_t whole_seconds(double v) {
  constexpr double bound = 9.2e18;
  if (std::isnan(v) || std::abs(v) > bound) return std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(v);
}

bool uses_starts(std::string_view function) {
  return function == "rate" || function == "irate" || function == "increase" || function == "resets" ||
         function == "start_timestamp";
}

Series times_of(const Series& series, bool starts) {
  Series out;
  out.labels = series.labels;
  const auto add = [&](int64_t t, bool is_stale_point, const std::vector<int64_t>& start_times, size_t i) {
    const int64_t of = !starts ? t : i < start_times.size() ? start_times[i] : 0;
    out.floats.push_back({t, is_stale_point ? stale_marker() : static_cast<double>(of) / 1000});
  };
  for (size_t i = 0; i < series.floats.size(); ++i) {
    add(series.floats[i].t_ms, is_stale(series.floats[i].v), series.float_starts_ms, i);
  }
  for (size_t i = 0; i < series.histograms.size(); ++i) {
    add(series.histograms[i].t_ms, is_stale(series.histograms[i].h->sum), series.histogram_starts_ms, i);
  }
  std::sort(out.floats.begin(), out.floats.end(),
            [](const FloatPoint& a, const FloatPoint& b) { return a.t_ms < b.t_ms; });
  return out;
}

}  // namespace hs::promql
