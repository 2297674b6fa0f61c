#include "speed.h"

#include <fmt/format.h>

#include <cmath>
#include <ctime>

#include "promql/engine.h"

namespace hs::promql {
namespace {

constexpr int64_t hour_ms = 3'600'000;
constexpr int64_t scrape_ms = 15'000;

// Hands out what it holds, and counts the CPU time that this takes.
class Holder : public Source {
 public:
  std::vector<Series> all;
  mutable double seconds = 0;

  Result<Selection> select(const Select& select) const override {
    const std::clock_t begin = std::clock();
    Selection out;
    for (const Series& s : all) {
      bool matches = true;
      for (const Matcher& m : select.matchers) matches = matches && m.matches(s.labels.get(m.name()));
      if (matches) out.series.push_back(s);
    }
    seconds += static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    return out;
  }
};

Labels labels_of(std::string name, int i, std::string le) {
  return Labels::from({{"__name__", std::move(name)},
                       {"instance", fmt::format("10.0.{}.{}:9100", i / 250 % 250, i % 250)},
                       {"job", fmt::format("service-{}", i % 20)},
                       {"le", std::move(le)},
                       {"method", i % 3 == 0 ? "GET" : "POST"},
                       {"namespace", "production"},
                       {"pod", fmt::format("service-{}-7d9f8c6b5-{}", i % 20, i)},
                       {"region", i % 2 == 0 ? "eu-central-1" : "us-east-1"}});
}

Holder make(int series) {
  Holder out;
  static constexpr std::string_view bounds[] = {"0.005", "0.01", "0.025", "0.05", "0.1",
                                                "0.25",  "0.5",  "1",     "2.5",  "+Inf"};
  const auto fill = [&](Labels labels, double step) {
    Series s;
    s.labels = std::move(labels);
    for (int64_t t = 0; t <= hour_ms; t += scrape_ms) {
      s.floats.push_back({t, std::floor(static_cast<double>(t) / 1000 * step)});
    }
    out.all.push_back(std::move(s));
  };
  for (int i = 0; i < series; ++i) {
    fill(labels_of("http_requests_total", i, ""), 1 + i % 7);
    fill(labels_of("queue_length", i, ""), 0.1 * (i % 13));
    fill(labels_of("latency_bucket", i / 10, std::string(bounds[i % 10])), 1 + i % 10);
  }
  return out;
}

}  // namespace

void measure_speed(int series) {
  const Holder holder = make(series);
  fmt::print("{} series each, 1 h at 15 s; CPU milliseconds without those of the source\n", series);
  for (const char* text :
       {"queue_length", "sum(queue_length)", "count(queue_length)", "sum by (job) (rate(http_requests_total[5m]))",
        "sum by (job, method) (increase(http_requests_total[1h]))", "rate(http_requests_total[5m])",
        "max_over_time(queue_length[10m])", "quantile_over_time(0.9, queue_length[10m])", "topk(10, queue_length)",
        "queue_length > 3", "queue_length / on (instance, pod) http_requests_total",
        "http_requests_total and on (instance, pod) queue_length > 100",
        "histogram_quantile(0.9, sum by (le, job) (rate(latency_bucket[5m])))",
        "histogram_quantile(0.9, rate(latency_bucket[5m]))",
        "label_replace(queue_length, \"x\", \"$1\", \"pod\", \"(.*)-.*\")"}) {
    double milliseconds[2];
    for (const bool range : {false, true}) {
      const Query query{text, range ? hour_ms / 2 : hour_ms, hour_ms, range ? int64_t{30'000} : 0};
      holder.seconds = 0;
      const std::clock_t begin = std::clock();
      const auto got = evaluate(holder, query, {});
      const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC - holder.seconds;
      milliseconds[range] = got ? 1000 * seconds : NAN;
    }
    fmt::print("{:75} instant {:7.1f}   60 steps {:7.1f}\n", text, milliseconds[0], milliseconds[1]);
  }
}

}  // namespace hs::promql
