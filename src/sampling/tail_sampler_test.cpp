#include "sampling/tail_sampler.h"

#include <deque>

#include <gtest/gtest.h>

#include "model/canonical.h"

namespace hs::sampling {
namespace {

using model::Kept;

constexpr UnixNanos start = 1'767'333'600LL * nanos_per_s;

struct SpanOf {
  uint64_t trace = 0;
  std::string_view service = "shop";
  bool failed = false;
  uint64_t ms = 5;
  std::string_view name = "GET /";
  uint64_t parent = 0;
  std::string_view trace_state = "";
};

// Randomness spread evenly over the numbers of traces: one in n of n is below 1/n.
model::TraceId id_of(uint64_t trace, uint64_t of = 1000) {
  model::TraceId id{};
  id[0] = 0xab;
  uint64_t bits = model::threshold_end / of * (trace % of) + model::threshold_end / of / 2;
  for (size_t i = id.size(); i > id.size() - 7; --i, bits >>= 8) id[i - 1] = static_cast<uint8_t>(bits);
  id[2] = static_cast<uint8_t>(trace / of);
  return id;
}

// Cuts of one request each, as ingest would show them.
class Cuts {
 public:
  std::vector<ingest::StoredBatch> add(const std::vector<SpanOf>& spans, UnixNanos at = start) {
    model::Batch& batch = batches_.emplace_back();
    batch.signal = model::Signal::traces;
    for (const SpanOf& span : spans) add_span(batch, span);
    return {{&batch, at, ""}};
  }

 private:
  static void add_span(model::Batch& batch, const SpanOf& span) {
    model::Resource resource;
    resource.attributes = {{"service.name", span.service}};
    model::canonicalise(resource);
    batch.spans.resource.push_back(static_cast<uint32_t>(batch.resources.size()));
    batch.resources.push_back(std::move(resource));
    batch.spans.trace_id.push_back(id_of(span.trace));
    batch.spans.parent_id.push_back(span.parent);
    batch.spans.start.push_back(start);
    batch.spans.duration_ns.push_back(span.ms * nanos_per_ms);
    batch.spans.name.push_back(span.name);
    batch.spans.trace_state.push_back(span.trace_state);
    batch.spans.kind.push_back(span.parent == 0 ? 2 : 3);
    batch.spans.status.push_back(span.failed ? 2 : 0);
  }
  std::deque<model::Batch> batches_;
};

struct Sampled {
  explicit Sampled(Policy policy)
      : sampler(
            [&] {
              policy.enabled = true;
              if (policy.traces_max == 0) policy.traces_max = 1'000'000;
              return policy;
            }(),
            42) {}
  ingest::Verdicts run(const std::vector<SpanOf>& spans, UnixNanos at = start) {
    const auto cut = cuts.add(spans, at);
    sampler.observe(cut);
    return sampler.decide(cut, false);
  }
  Cuts cuts;
  TailSampler sampler;
};

size_t kept_of(const ingest::Verdicts& verdicts) {
  return verdicts.codes.size() - static_cast<size_t>(std::count(verdicts.codes.begin(), verdicts.codes.end(), 0));
}

// How many spans the kept ones stand for.
double weight_of(const ingest::Verdicts& verdicts) {
  double weight = 0;
  const Kept kept{verdicts.codes, verdicts.thresholds};
  for (size_t i = 0; i < verdicts.codes.size(); ++i)
    if (kept.has(i)) weight += 1 / model::probability_of(kept.threshold(i));
  return weight;
}

TEST(TailSampler, KeepsWholeTracesForOneBadSpan) {
  Sampled s({.share = 0});
  const auto verdicts = s.run({{1}, {2, "shop"}, {1, "pay", true, 5, "charge", 7}, {2, "pay", false, 5, "charge", 7}});
  EXPECT_EQ(verdicts.codes, (std::vector<uint8_t>{Kept::whole, 0, Kept::whole, 0}));
}

TEST(TailSampler, ErrorsAreNotKeptWhenNotAskedFor) {
  Sampled s({.errors = false, .share = 0});
  EXPECT_EQ(kept_of(s.run({{1, "shop", true}})), 0U);
}

TEST(TailSampler, ASlowEntryKeepsItsTraceAndASlowCallInsideDoesNot) {
  Sampled s({.slow_ms = 100, .share = 0});
  const auto verdicts =
      s.run({{1, "shop", false, 100}, {2, "shop", false, 99}, {3}, {3, "db", false, 500, "SELECT", 7}});
  EXPECT_EQ(verdicts.codes, (std::vector<uint8_t>{Kept::whole, 0, 0, 0}));
}

TEST(TailSampler, SlowForItsOperationNotForAnother) {
  Sampled s({.slow_quantile = 0.99, .share = 0});
  std::vector<SpanOf> usual;
  for (uint64_t i = 0; i < 500; ++i) {
    usual.push_back({i, "shop", false, 10 + i % 10, "GET /"});
    usual.push_back({1000 + i, "report", false, 1000 + i % 100, "make"});
  }
  s.run(usual);
  const auto verdicts = s.run(
      {{3000, "shop", false, 60, "GET /"}, {3001, "report", false, 1050, "make"}, {3002, "new", false, 9999, "x"}},
      start + 11 * nanos_per_s);
  EXPECT_EQ(verdicts.codes, (std::vector<uint8_t>{Kept::whole, 0, 0})) << "too little is known of the third";
}

TEST(TailSampler, TheFirstTracesOfAnOperationInAnHour) {
  Sampled s({.rare_per_hour = 3, .share = 0});
  std::vector<SpanOf> many;
  for (uint64_t i = 0; i < 50; ++i) many.push_back({i});
  EXPECT_EQ(kept_of(s.run(many)), 3U);
  EXPECT_EQ(kept_of(s.run({{60, "shop", false, 5, "GET /never"}, {61}})), 1U);
  EXPECT_EQ(kept_of(s.run({{62}}, start + 3601 * nanos_per_s)), 1U) << "another hour";
}

TEST(TailSampler, NamesWithoutBoundAreNotRare) {
  Sampled s({.rare_per_hour = 1, .share = 0});
  std::deque<std::string> names;
  std::vector<SpanOf> many;
  for (uint64_t i = 0; i < 2000; ++i)
    many.push_back({i, "shop", false, 5, names.emplace_back("GET /user/" + std::to_string(i))});
  EXPECT_EQ(kept_of(s.run(many)), Operations::per_service_max);
}

TEST(TailSampler, AShareIsExactAndWeighed) {
  Sampled s({.share = 0.25});
  std::vector<SpanOf> many;
  for (uint64_t i = 0; i < 1000; ++i) many.push_back({i}), many.push_back({i, "pay", false, 5, "charge", 7});
  const auto verdicts = s.run(many);
  EXPECT_EQ(kept_of(verdicts), 500U);
  EXPECT_DOUBLE_EQ(weight_of(verdicts), 2000);
  for (size_t i = 0; i < many.size(); i += 2) EXPECT_EQ(verdicts.codes[i], verdicts.codes[i + 1]) << "half a trace";
}

TEST(TailSampler, StatedRandomnessCountsInsteadOfTheTraceId) {
  Sampled s({.share = 0.5});
  EXPECT_EQ(kept_of(s.run({{0}})), 0U);
  EXPECT_EQ(kept_of(s.run({{2000, "shop", false, 5, "GET /", 0, "ot=rv:ffffffffffffff"}})), 1U);
}

TEST(TailSampler, LateSpansFollowTheDecision) {
  Sampled s({.share = 0});
  s.run({{1}, {2, "shop", true}});
  const auto verdicts = s.run({{1, "pay", true, 5, "charge", 7}, {2, "pay", false, 5, "charge", 7}});
  EXPECT_EQ(verdicts.codes, (std::vector<uint8_t>{0, Kept::whole}));
}

TEST(TailSampler, EvidenceOfLaterCutsCountsWhenItCameInTime) {
  Sampled s({.share = 0});
  const auto first = s.cuts.add({{1}}), second = s.cuts.add({{1, "pay", true, 5, "charge", 7}, {2}});
  s.sampler.observe(first);
  s.sampler.observe(second);
  EXPECT_EQ(kept_of(s.sampler.decide(first, false)), 1U);
  EXPECT_EQ(kept_of(s.sampler.decide(second, false)), 1U);
}

TEST(TailSampler, TenantsDoNotShareTraces) {
  Sampled s({.share = 0});
  auto mine = s.cuts.add({{1, "shop", true}}), theirs = s.cuts.add({{1}});
  theirs[0].tenant = "other";
  std::vector<ingest::StoredBatch> both = {mine[0], theirs[0]};
  s.sampler.observe(both);
  EXPECT_EQ(s.sampler.decide(both, false).codes, (std::vector<uint8_t>{Kept::whole, 0}));
}

TEST(TailSampler, ABudgetThinsTheRestFirstAndWhatIsLeftIsWeighed) {
  Sampled s({.share = 1, .spans_per_s = 400});
  std::vector<SpanOf> many;
  for (uint64_t i = 0; i < 1000; ++i) many.push_back({i, "shop", i % 10 == 0});
  const auto verdicts = s.run(many);
  size_t failed = 0;
  for (size_t i = 0; i < many.size(); i += 10) failed += verdicts.codes[i] == Kept::whole ? 1 : 0;
  EXPECT_EQ(failed, 100U) << "what failed fits";
  EXPECT_LE(kept_of(verdicts), 404U);
  EXPECT_GE(kept_of(verdicts), 360U) << "steps of an eighth of an octave lose no more than a tenth";
  EXPECT_NEAR(weight_of(verdicts), 1000, 10);
}

TEST(TailSampler, ABudgetThinsErrorsToo) {
  Sampled s({.share = 1, .services = {{"shop", 100}}});
  std::vector<SpanOf> many;
  for (uint64_t i = 0; i < 1000; ++i) many.push_back({i, i % 2 == 0 ? "shop" : "other", true});
  const auto verdicts = s.run(many);
  size_t other = 0;
  for (size_t i = 1; i < many.size(); i += 2) other += verdicts.codes[i] == Kept::whole ? 1 : 0;
  EXPECT_EQ(other, 500U) << "who has no budget is not thinned";
  EXPECT_LE(kept_of(verdicts) - other, 102U);
  EXPECT_NEAR(weight_of(verdicts), 1000, 20);
  const auto more = [&](uint64_t first, UnixNanos at) {
    std::vector<SpanOf> failed;
    for (uint64_t i = 0; i < 500; ++i) failed.push_back({first + 2 * i, "shop", true});
    return kept_of(s.run(failed, at));
  };
  EXPECT_LE(more(5000, start), 15U) << "no second has passed: it is spent";
  EXPECT_GE(more(7000, start + 2 * nanos_per_s), 150U);
}

TEST(TailSampler, WhenSwitchedOffWhatStillWaitsIsKept) {
  Sampled s({.share = 0});
  const auto cut = s.cuts.add({{1}});
  s.sampler.observe(cut);
  s.sampler.set_policy({});
  EXPECT_EQ(s.sampler.wait_ms(), 0);
  EXPECT_EQ(s.sampler.decide(cut, false).codes, (std::vector<uint8_t>{Kept::whole}));
  EXPECT_FALSE(s.sampler.holds({}));
}

TEST(TailSampler, KnowsWhenItIsCrowded) {
  Sampled s({.traces_max = 2, .share = 0});
  const auto cut = s.cuts.add({{1}, {2}, {3}});
  EXPECT_FALSE(s.sampler.crowded());
  s.sampler.observe(cut);
  EXPECT_TRUE(s.sampler.crowded());
  s.sampler.decide(cut, true);
  EXPECT_FALSE(s.sampler.crowded());
}

TEST(Durations, QuantilesAreRightToATenth) {
  Durations d;
  EXPECT_EQ(d.quantile(0.5), UINT64_MAX);
  for (uint64_t us = 1; us <= 10'000; ++us) d.add(us * 1000);
  for (const double q : {0.1, 0.5, 0.9, 0.99}) {
    const double exact = q * 10'000'000;
    EXPECT_GE(static_cast<double>(d.quantile(q)), exact * 0.999) << q;
    EXPECT_LE(static_cast<double>(d.quantile(q)), exact * 1.13) << q;
  }
  d.add(0);
  d.add(UINT64_MAX);
}

}  // namespace
}  // namespace hs::sampling
