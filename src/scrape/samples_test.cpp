#include "scrape/samples.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "wire/prometheus/remote_write.h"

namespace hs::scrape {
namespace {

constexpr int64_t now_ms = 1'790'000'000'000;

std::shared_ptr<Target> target_of(config::ScrapeJob config) {
  config.job_name = "j";
  auto job = Job::make(std::move(config), 15'000, 10'000);
  EXPECT_TRUE(job);
  return make_targets(*job, {{.targets = {"a:1"}, .labels = {{"zone", "z"}}}}).targets.at(0);
}

struct Row {
  double value = 0;
  int64_t time_ms = 0;
  bool stale = false;
};
using Rows = std::map<std::string, Row>;  // by name{labels}

struct Taken {
  Samples samples;
  Rows rows;
};

Taken taken(Samples samples) {
  Taken out;
  for (auto& part : samples.parts) {
    const auto batch = wire::prometheus::decode_write(part.take(), {});
    EXPECT_TRUE(batch);
    for (size_t i = 0; i < batch->points.size(); ++i) {
      std::string key(batch->points.metrics[batch->points.metric[i]].name);
      for (const auto* a = batch->points.attributes.begin(i); a != batch->points.attributes.end(i); ++a)
        key += "," + std::string(a->key) + "=" + std::string(a->value);
      const double value = batch->points.value[i];
      out.rows[key] = {value, batch->points.time[i] / nanos_per_ms,
                       std::bit_cast<uint64_t>(value) == 0x7ff0000000000002};
    }
  }
  out.samples = std::move(samples);
  return out;
}

Taken scraped(Target& target, std::string body, int64_t at_ms = now_ms) {
  auto parsed = wire::prometheus::parse_exposition(std::move(body), wire::prometheus::ExpositionFormat::text, {});
  EXPECT_TRUE(parsed);
  return taken(
      samples_of(target, {.time_ms = at_ms,
                          .duration_s = 0.5,
                          .status = {},
                          .answer = std::make_shared<const wire::prometheus::Exposition>(std::move(*parsed))}));
}

const std::string own = ",instance=a:1,job=j,zone=z";

TEST(ScrapeSamples, LabelsOfTheTargetAndReports) {
  const auto target = target_of({});
  const Taken t = scraped(*target, "m{a=\"b\",job=\"mine\"} 1\nn 2\n");
  EXPECT_EQ(t.rows.at("m,a=b,exported_job=mine" + own).value, 1);
  EXPECT_EQ(t.rows.at("n" + own).time_ms, now_ms);
  EXPECT_EQ(t.rows.at("up" + own).value, 1);
  EXPECT_EQ(t.rows.at("scrape_duration_seconds" + own).value, 0.5);
  EXPECT_EQ(t.rows.at("scrape_samples_scraped" + own).value, 2);
  EXPECT_EQ(t.rows.at("scrape_series_added" + own).value, 2);
  EXPECT_EQ(scraped(*target, "n 2\nm{a=\"b\",job=\"mine\"} 1\n").rows.at("scrape_series_added" + own).value, 0);
}

TEST(ScrapeSamples, HonorLabels) {
  const auto target = target_of({.honor_labels = true});
  const Taken t = scraped(*target, "m{job=\"mine\",instance=\"\"} 1\n");
  EXPECT_TRUE(t.rows.contains("m,job=mine,zone=z"));  // an empty one removes
}

TEST(ScrapeSamples, SeriesThatEndAreStale) {
  const auto target = target_of({});
  scraped(*target, "m{a=\"1\"} 1\nm{a=\"2\"} 1\n");
  const Taken t = scraped(*target, "m{a=\"2\"} 1\n", now_ms + 1000);
  EXPECT_TRUE(t.rows.at("m,a=1" + own).stale);
  EXPECT_EQ(t.rows.at("m,a=1" + own).time_ms, now_ms + 1000);
  EXPECT_FALSE(t.rows.at("m,a=2" + own).stale);
  const Taken after = scraped(*target, "m{a=\"2\"} 1\n", now_ms + 2000);
  EXPECT_FALSE(after.rows.contains("m,a=1" + own));  // told once
}

TEST(ScrapeSamples, AFailureEndsAllSeriesAndUpIsZero) {
  const auto target = target_of({});
  scraped(*target, "m 1\n");
  const Taken t =
      taken(samples_of(*target, {.time_ms = now_ms, .status = fail(Code::unavailable, "refused"), .answer = {}}));
  EXPECT_TRUE(t.rows.at("m" + own).stale);
  EXPECT_EQ(t.rows.at("up" + own).value, 0);
  EXPECT_EQ(t.rows.size(), 6U);
}

TEST(ScrapeSamples, TheEndOfATarget) {
  const auto target = target_of({});
  scraped(*target, "m 1\n");
  const Taken t = taken(end_of(*target, now_ms));
  EXPECT_EQ(t.rows.size(), 6U);
  for (const auto& [name, row] : t.rows) EXPECT_TRUE(row.stale) << name;
}

TEST(ScrapeSamples, Timestamps) {
  const auto honoring = target_of({});
  scraped(*honoring, "m 1 1789999999000\n");
  const Taken gone = scraped(*honoring, "n 1 1789999999000\n");
  EXPECT_EQ(gone.rows.at("n" + own).time_ms, 1789999999000);
  EXPECT_FALSE(gone.rows.contains("m" + own));  // who has times of their own is not ended
  const auto deaf = target_of({.honor_timestamps = false});
  EXPECT_EQ(scraped(*deaf, "m 1 1789999999000\n").rows.at("m" + own).time_ms, now_ms);
}

// What breaks a limit leaves nothing behind, not even markers of series that were never stored.
TEST(ScrapeSamples, LimitsFailTheWholeScrape) {
  const auto refused = [](config::ScrapeJob config) {
    const auto target = target_of(std::move(config));
    const Taken t = scraped(*target, "m{label=\"value\"} 1\nn 1\no 1\n");
    EXPECT_EQ(t.rows.size(), 5U);
    EXPECT_EQ(t.rows.at("up" + own).value, 0);
    return t.samples.status ? std::string() : t.samples.status.error().message;
  };
  EXPECT_EQ(refused({.sample_limit = 2}), "sample limit exceeded");
  EXPECT_NE(refused({.label_limit = 4}).find("label_limit"), std::string::npos);
  EXPECT_NE(refused({.label_name_length_limit = 4}).find("label_name_length_limit"), std::string::npos);
  EXPECT_NE(refused({.label_value_length_limit = 4}).find("label_value_length_limit"), std::string::npos);
  const auto fits = target_of({.sample_limit = 1});  // counted after relabelling
  const auto dropping = target_of(
      {.metric_relabel_configs = {{.source_labels = {"__name__"}, .regex = "m", .action = config::RelabelAction::keep}},
       .sample_limit = 1});
  const Taken t = scraped(*dropping, "m 1\nn 1\n");
  EXPECT_TRUE(t.samples.status);
  EXPECT_EQ(t.rows.at("scrape_samples_post_metric_relabeling" + own).value, 1);
  EXPECT_EQ(t.rows.at("scrape_samples_scraped" + own).value, 2);
}

TEST(ScrapeTargets, RelabelledAndNamed) {
  config::ScrapeJob config{.job_name = "j", .params = {{"module", {"http"}}}};
  config.relabel_configs = {{.source_labels = {"__address__"}, .target_label = "__param_target"},
                            {.source_labels = {"__param_target"}, .target_label = "instance"},
                            {.target_label = "__address__", .replacement = "probe:9115"},
                            {.source_labels = {"instance"}, .regex = "b", .action = config::RelabelAction::drop}};
  const auto job = Job::make(config, 15'000, 10'000);
  ASSERT_TRUE(job);
  const Made made = make_targets(*job, {{.targets = {"a", "b", "a"}}, {.targets = {"x:y"}}});
  ASSERT_EQ(made.targets.size(), 2U);  // doubles are one
  EXPECT_EQ(made.targets[0]->url, "http://probe:9115/metrics?module=http&target=a");
  EXPECT_EQ(made.targets[0]->labels, (config::LabelMap{{"instance", "a"}, {"job", "j"}}));
  EXPECT_EQ(made.dropped_count, 1U);
}

TEST(ScrapeTargets, AddressesAndLimits) {
  const auto job = Job::make({.job_name = "j", .target_limit = 1}, 15'000, 10'000);
  const Made made = make_targets(*job, {{.targets = {"a", "[::1]:9", "no host:1"}}});
  ASSERT_EQ(made.targets.size(), 2U);
  EXPECT_EQ(made.targets[0]->endpoint.port, 80);
  EXPECT_NE(made.targets[0]->problem.find("number of targets: 2, limit: 1"), std::string::npos);
  EXPECT_EQ(made.problems.size(), 1U);
}

}  // namespace
}  // namespace hs::scrape
