#include "promql/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "promql/json.h"

namespace hs::promql {
namespace {

// Series in memory; counts how often it is asked.
class TestSource : public Source {
 public:
  explicit TestSource(std::vector<Series> series) : series_(std::move(series)) {}

  Result<Selection> select(const Select& select) const override {
    ++asked;
    if (broken) return fail(Code::unavailable, "the store is down");
    Selection out;
    for (const Series& s : series_) {
      const bool matches = std::all_of(select.matchers.begin(), select.matchers.end(),
                                       [&](const Matcher& m) { return m.matches(s.labels.get(m.name())); });
      if (matches) out.series.push_back(s);
    }
    return out;
  }

  mutable int asked = 0;
  bool broken = false;

 private:
  std::vector<Series> series_;
};

Series counter(std::string name, Temporality temporality, double per_minute, int64_t step_ms, int64_t end_ms) {
  Series s;
  s.labels = Labels::from({{"__name__", std::move(name)}});
  s.temporality = temporality;
  double total = 0;
  for (int64_t t = step_ms; t <= end_ms; t += step_ms) {
    const double added = per_minute * static_cast<double>(step_ms) / 60'000;
    total += added;
    s.floats.push_back({t, temporality == Temporality::delta ? added : total});
    s.float_starts_ms.push_back(temporality == Temporality::delta ? t - step_ms : 0);
  }
  return s;
}

std::string answer(const Source& source, const Query& query, const Options& options = {}) {
  const auto got = evaluate(source, query, options);
  if (!got) return std::string(name_of(got.error().kind)) + ": " + got.error().message;
  std::string out;
  write_json_data(out, got->value);
  for (const std::string& text : got->warnings) out += " | " + text;
  for (const std::string& text : got->infos) out += " | " + text;
  return out;
}

double number(const Source& source, const std::string& text, int64_t t_ms) {
  const auto got = evaluate(source, {text, t_ms, t_ms, 0}, {});
  if (!got || std::get<Vector>(got->value).empty()) return std::nan("");
  return std::get<Vector>(got->value)[0].f;
}

TEST(Engine, RateIsTheSameOnDeltaAndCumulative) {
  TestSource source({counter("cumulative_total", Temporality::cumulative, 60, 15'000, 3'600'000),
                     counter("delta_total", Temporality::delta, 60, 15'000, 3'600'000)});
  // Whatever the range and however it lies between the points: one a second.
  for (const char* range : {"1m", "5m", "47s", "100s"}) {
    for (const int64_t t : {1'800'000, 1'803'000, 1'811'111, 1'814'999}) {
      for (const char* name : {"cumulative_total", "delta_total"}) {
        EXPECT_NEAR(number(source, std::string("rate(") + name + "[" + range + "])", t), 1, 1e-9)
            << name << range << " at " << t;
      }
    }
  }
  EXPECT_NEAR(number(source, "increase(delta_total[5m])", 1'800'000), 300, 1e-6);
  EXPECT_NEAR(number(source, "irate(delta_total[5m])", 1'800'000), 1, 1e-9);
}

TEST(Engine, DeltaWithoutStartTimesIsTakenToBeRegular) {
  Series s = counter("delta_total", Temporality::delta, 60, 60'000, 3'600'000);
  s.float_starts_ms.clear();
  TestSource source({s});
  EXPECT_NEAR(number(source, "rate(delta_total[5m])", 1'800'000), 1, 1e-9);
  EXPECT_NEAR(number(source, "rate(delta_total[5m])", 1'830'000), 1, 1e-9);
}

TEST(Engine, DeltaIncreasesOfTilesAddUp) {
  Series s;
  s.labels = Labels::from({{"__name__", "delta_total"}});
  s.temporality = Temporality::delta;
  double total = 0;
  for (int i = 1; i <= 60; ++i) {
    s.floats.push_back({i * 60'000, static_cast<double>(i % 7)});
    s.float_starts_ms.push_back((i - 1) * 60'000);
    total += i % 7;
  }
  TestSource source({s});
  EXPECT_NEAR(number(source, "sum_over_time(increase(delta_total[5m])[1h:5m])", 3'600'000), total, 1e-9);
}

TEST(Engine, DeltaHistogramsAddUp) {
  Series s;
  s.labels = Labels::from({{"__name__", "delta_hist"}});
  s.temporality = Temporality::delta;
  for (int64_t t = 60'000; t <= 600'000; t += 60'000) {
    auto h = std::make_shared<Histogram>();
    h->count = 6;
    h->sum = 9;
    h->positive_spans = {{0, 2}};
    h->positive = {2, 4};
    s.histograms.push_back({t, h});
    s.histogram_starts_ms.push_back(t - 60'000);
  }
  TestSource source({s});
  EXPECT_NEAR(number(source, "histogram_count(increase(delta_hist[5m]))", 600'000), 30, 1e-9);
  EXPECT_NEAR(number(source, "histogram_sum(rate(delta_hist[5m]))", 600'000), 0.15, 1e-12);
}

TEST(Engine, AnswersInstantAndRange) {
  TestSource source({counter("a_total", Temporality::cumulative, 60, 60'000, 600'000)});
  EXPECT_EQ(answer(source, {"a_total", 125'000, 125'000, 0}),
            R"("resultType":"vector","result":[{"metric":{"__name__":"a_total"},"value":[125,"120"]}])");
  EXPECT_EQ(answer(source, {"a_total * 2", 60'000, 180'000, 60'000}),
            R"("resultType":"matrix","result":[{"metric":{},"values":[[60,"120"],[120,"240"],[180,"360"]]}])");
  EXPECT_EQ(answer(source, {"1 + 2", 0, 0, 0}), R"("resultType":"scalar","result":[0,"3"])");
  EXPECT_EQ(answer(source, {"\"x\"", 0, 0, 0}), R"("resultType":"string","result":[0,"x"])");
  EXPECT_EQ(answer(source, {"a_total[2m]", 180'000, 180'000, 0}),
            R"("resultType":"matrix","result":[{"metric":{"__name__":"a_total"},"values":[[120,"120"],[180,"180"]]}])");
}

TEST(Engine, ErrorsHaveTheirKinds) {
  TestSource source({counter("a_total", Temporality::cumulative, 60, 60'000, 600'000)});
  EXPECT_EQ(answer(source, {"a_total +", 0, 0, 0}), "bad_data: 1:10: parse error: unexpected end of input");
  EXPECT_EQ(answer(source, {"a_total[5m]", 0, 60'000, 60'000}),
            "bad_data: invalid expression type \"range vector\" for range query, must be Scalar or instant Vector");
  EXPECT_EQ(answer(source, {"a_total", 0, 12'000 * 1000, 1000}).substr(0, 60),
            "bad_data: exceeded maximum resolution of 11,000 points per t");
  EXPECT_EQ(answer(source, {"a_total + on(x) a_total and topk(NaN, a_total)", 120'000, 120'000, 0}),
            "execution: Parameter value is NaN");
  source.broken = true;
  EXPECT_EQ(answer(source, {"a_total", 0, 0, 0}), "internal: expanding series: the store is down");
}

TEST(Engine, EqualSelectorsAreAskedForOnce) {
  TestSource source({counter("a_total", Temporality::cumulative, 60, 60'000, 600'000)});
  answer(source, {"a_total / a_total + a_total", 0, 600'000, 60'000});
  EXPECT_EQ(source.asked, 1);
}

TEST(Engine, TooManySamplesAreAnErrorBeforeTheyAreMemory) {
  TestSource source({counter("a_total", Temporality::cumulative, 60, 1000, 3'600'000)});
  Options options;
  options.limits.max_samples = 1000;
  const std::string expected = "execution: query processing would load too many samples into memory in query execution";
  EXPECT_EQ(answer(source, {"a_total", 0, 0, 0}, options), expected);
  options.limits.max_samples = 10'000;
  EXPECT_EQ(answer(source, {"vector(1) @ 1", 0, 0, 0}, options).substr(0, 9), "bad_data:");
  for (const char* huge :
       {"max_over_time(vector(1)[10y:1ms])", "max_over_time(vector(time())[10y:1ms])",
        "sum_over_time((sum(a_total) + 1)[10y:1ms])", "count_over_time(topk(1, a_total)[10y:1ms])"}) {
    EXPECT_EQ(answer(source, {huge, 0, 0, 0}, options), expected) << huge;
  }
}

TEST(Engine, StopsWhenItIsTold) {
  TestSource source({counter("a_total", Temporality::cumulative, 60, 1000, 3'600'000)});
  Options options;
  int looks = 0;
  options.interrupt = [&] { return ++looks > 3 ? Interrupt::timeout : Interrupt::none; };
  const Query query{"sum_over_time(rate(a_total[5m])[30m:1s])", 1'800'000, 3'600'000, 1000};
  EXPECT_EQ(answer(source, query, options), "timeout: query timed out in expression evaluation");
  options.interrupt = [] { return Interrupt::canceled; };
  EXPECT_EQ(answer(source, query, options), "canceled: query was canceled in expression evaluation");
}

TEST(Engine, IntegralIsTheAreaUnderThePoints) {
  Series s;
  s.labels = Labels::from({{"__name__", "watts"}});
  s.floats = {{10'000, 2}, {20'000, 4}, {30'000, std::nan("")}};
  TestSource source({s});
  Options options;
  options.features.experimental_functions = true;
  const auto area = [&](const std::string& text) {
    const auto got = evaluate(source, {text, 30'000, 30'000, 0}, options);
    return got ? std::get<Vector>(got->value).at(0).f : -1;
  };
  EXPECT_EQ(area("integral(watts[1m])"), 50);
  EXPECT_EQ(area("integral(watts[1m], 0)"), 60);
  EXPECT_EQ(area("integral(watts[1m], 1)"), 40);
}

TEST(Engine, StaleSeriesEndAtOnce) {
  Series s = counter("a_total", Temporality::cumulative, 60, 60'000, 180'000);
  s.floats.push_back({200'000, stale_marker()});
  s.float_starts_ms.push_back(0);
  TestSource source({s});
  EXPECT_TRUE(std::isnan(number(source, "a_total", 200'000)));
  EXPECT_EQ(number(source, "a_total", 199'999), 180);
  EXPECT_EQ(number(source, "count_over_time(a_total[5m])", 210'000), 3);
}

TEST(Engine, TellsWhereAWarningBelongs) {
  TestSource source({counter("requests", Temporality::cumulative, 60, 60'000, 600'000)});
  EXPECT_EQ(answer(source, {"sum(rate(requests[5m]))", 600'000, 600'000, 0}),
            R"("resultType":"vector","result":[{"metric":{},"value":[600,"1"]}])"
            " | PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
            "\"requests\" (1:10)");
}

TEST(Engine, StartTimesShowResetsWhenAllowed) {
  Series s;
  s.labels = Labels::from({{"__name__", "a_total"}});
  for (const auto& [t, v, start] : {std::tuple(60'000, 10.0, 0), std::tuple(120'000, 20.0, 90'000)}) {
    s.floats.push_back({t, v});
    s.float_starts_ms.push_back(start);
  }
  TestSource source({s});
  EXPECT_EQ(number(source, "resets(a_total[2m])", 120'000), 0);
  Options options;
  options.features.start_timestamps = true;
  EXPECT_NE(answer(source, {"resets(a_total[2m])", 120'000, 120'000, 0}, options).find("\"1\""), std::string::npos);
}

TEST(Engine, FlagsHaveTheNamesOfPrometheus) {
  Features features;
  EXPECT_TRUE(enable(features, "promql-experimental-functions"));
  EXPECT_TRUE(features.experimental_functions);
  EXPECT_FALSE(enable(features, "no-such-flag"));
}

}  // namespace
}  // namespace hs::promql
