#include "stream/stream.h"
#include "stream/facts.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "stream/test_batches.h"

namespace hs::stream {
namespace {

const Cell* cell(const Frame& frame, std::string service, uint8_t kind = 2) {
  for (const Cell& c : frame.cells)
    if (c.service == service && c.kind == kind) return &c;
  return nullptr;
}

void expect_graph(const Frame& frame) {
  const Cell* front = cell(frame, "frontend");
  ASSERT_NE(front, nullptr);
  EXPECT_EQ(front->second, t0);
  EXPECT_EQ(front->count, 1);
  EXPECT_NEAR(front->waiting_ms, 60, 1e-9);
  EXPECT_NEAR(front->self_ms, 40, 1e-9);
  const Cell* client = cell(frame, "frontend", 3);
  ASSERT_NE(client, nullptr);
  const Cell* redis = cell(frame, "payment", 3);
  ASSERT_NE(redis, nullptr);
  EXPECT_EQ(redis->peer, "redis");
}

TEST(Stream, joins_calls_when_callees_arrive_first) {
  Stream stream;
  stream.add(payment().batch(), at(1), "a");
  stream.add(frontend().batch(), at(1), "b");
  const Frame frame = stream.tick(at(1));
  expect_graph(frame);
  EXPECT_EQ(cell(frame, "frontend", 3)->peer, "payment");
  ASSERT_EQ(frame.calls.size(), 2u);
  const auto edge =
      std::find_if(frame.calls.begin(), frame.calls.end(), [](const Call& c) { return c.service == "frontend"; });
  ASSERT_NE(edge, frame.calls.end());
  EXPECT_EQ(edge->callee, "payment");
  EXPECT_EQ(edge->callee_operation, "POST /pay");
  EXPECT_TRUE(edge->traced);
  EXPECT_NEAR(edge->total_ms, 60, 1e-9);
  EXPECT_NEAR(edge->offset_ms, 20, 1e-9);
  EXPECT_NEAR(edge->callee_ms, 50, 1e-6);
  const std::vector<std::pair<std::string, std::string>> senders{{"payment", "a"}, {"frontend", "b"}};
  EXPECT_TRUE(std::is_permutation(senders.begin(), senders.end(), frame.service_credentials.begin(),
                                  frame.service_credentials.end()));
}

TEST(Stream, joins_calls_when_callers_arrive_first_and_learns_the_callee) {
  Stream stream;
  stream.add(frontend().batch(), at(1), "a");
  stream.add(payment().batch(), at(1), "a");
  const Frame frame = stream.tick(at(1));
  expect_graph(frame);
  EXPECT_EQ(cell(frame, "frontend", 3)->peer, "10.0.0.7:80") << "not known yet";
  stream.add(frontend().batch(), at(2), "a");  // the callee stays silent this time
  EXPECT_EQ(cell(stream.tick(at(2)), "frontend", 3)->peer, "payment");
}

TEST(Stream, a_callee_that_answers_after_its_caller_is_joined_late) {
  Stream stream;
  stream.add(frontend().batch(), at(1), "a");
  Frame frame = stream.tick(at(1));
  ASSERT_EQ(frame.calls.size(), 1u);
  EXPECT_EQ(frame.calls[0].count, 1);
  EXPECT_EQ(frame.calls[0].joined, 0);
  stream.add(payment().batch(), at(2), "a");
  frame = stream.tick(at(2));
  const auto late =
      std::find_if(frame.calls.begin(), frame.calls.end(), [](const Call& c) { return c.service == "frontend"; });
  ASSERT_NE(late, frame.calls.end());
  EXPECT_EQ(late->second, t0);
  EXPECT_EQ(late->callee, "payment");
  EXPECT_EQ(late->count, 0);
  EXPECT_EQ(late->joined, 1);
  EXPECT_NEAR(late->joined_ms, 60, 1e-4);
  EXPECT_NEAR(late->callee_ms, 50, 1e-4);
}

TEST(Stream, late_calls_correct_their_caller) {
  Stream stream;
  Builder early("frontend"), late("frontend");
  early.span({.id = 2, .parent = 1, .kind = 1, .name = "work", .start_ms = 15, .duration_ms = 70});
  early.span({.id = 1, .kind = 2, .name = "GET /", .start_ms = 0, .duration_ms = 100, .status = 2});
  late.span({.id = 3, .parent = 2, .kind = 3, .name = "POST", .start_ms = 20, .duration_ms = 60, .status = 2});
  stream.add(early.batch(), at(1), "a");
  const Frame first = stream.tick(at(1));
  EXPECT_NEAR(cell(first, "frontend")->self_ms, 100, 1e-9);
  EXPECT_EQ(cell(first, "frontend")->own_errors, 1);
  stream.add(late.batch(), at(2), "a");
  const Frame second = stream.tick(at(2));
  const Cell* fix = cell(second, "frontend");
  ASSERT_NE(fix, nullptr);
  EXPECT_EQ(fix->second, t0);
  EXPECT_EQ(fix->count, 0);
  EXPECT_NEAR(fix->self_ms, -60, 1e-9);
  EXPECT_NEAR(fix->waiting_ms, 60, 1e-9);
  EXPECT_EQ(fix->own_errors, -1);
  ASSERT_EQ(second.calls.size(), 1u);
  EXPECT_EQ(second.calls[0].errors, 1);
}

TEST(Stream, parallel_calls_are_waited_for_once) {
  Stream stream;
  Builder b("frontend");
  b.span({.id = 2, .parent = 1, .kind = 3, .name = "a", .start_ms = 10, .duration_ms = 50});
  b.span({.id = 3, .parent = 1, .kind = 3, .name = "b", .start_ms = 20, .duration_ms = 50});
  b.span({.id = 1, .kind = 2, .name = "GET /", .start_ms = 0, .duration_ms = 100});
  stream.add(b.batch(), at(1), "a");
  const Frame frame = stream.tick(at(1));
  EXPECT_NEAR(cell(frame, "frontend")->waiting_ms, 60, 1e-9);
}

TEST(Stream, errors_belong_to_whom_they_start_at) {
  Stream stream;
  stream.add(payment(2, 2).batch(), at(1), "a");
  Frame frame = stream.tick(at(1));
  EXPECT_EQ(cell(frame, "payment")->errors, 1);
  EXPECT_EQ(cell(frame, "payment")->own_errors, 0) << "the call to redis failed";
  stream.add(payment(2, 0).batch(), at(2), "a");
  frame = stream.tick(at(2));
  EXPECT_EQ(cell(frame, "payment")->own_errors, 1);
}

TEST(Stream, denied_and_limited_are_no_faults_and_500_is_one) {
  Stream stream;
  Builder b("login");
  b.span({.id = 1, .status = 2, .attributes = {{"http.response.status_code", "401"}, {"client.address", "10.1.1.1"}}});
  b.span({.id = 2, .attributes = {{"http.response.status_code", "429"}, {"client.address", "10.1.1.2"}}});
  b.span({.id = 3, .attributes = {{"http.response.status_code", "503"}}});
  stream.add(b.batch(), at(1), "a");
  const Frame frame = stream.tick(at(1));
  const Cell* c = cell(frame, "login");
  EXPECT_EQ(c->errors, 1);
  EXPECT_EQ(c->denied, 1);
  EXPECT_EQ(c->limited, 1);
  EXPECT_EQ(c->subjects, 2u);
}

TEST(Stream, a_failure_is_told_in_many_ways) {
  Stream stream;
  Builder bad("bad"), good("good");
  bad.span({.id = 1, .attributes = {{"http.status_code", "500"}}});
  bad.span({.id = 2, .attributes = {{"rpc.grpc.status_code", "14"}}});
  bad.span({.id = 3, .attributes = {{"rpc.response.status_code", "DEADLINE_EXCEEDED"}}});
  bad.span({.id = 4, .attributes = {{"error.type", "TimeoutError"}}});
  bad.span({.id = 5, .event = {{"exception.type", "ValueError"}}, .event_name = "exception"});
  bad.span({.id = 6, .status = 2, .attributes = {{"rpc.response.status_code", "-32603"}}});  // JSON-RPC
  good.span({.id = 1, .attributes = {{"rpc.response.status_code", "OK"}}});
  good.span({.id = 2, .attributes = {{"rpc.response.status_code", "NOT_FOUND"}}});
  good.span({.id = 3, .attributes = {{"rpc.grpc.status_code", "0"}}});
  good.span({.id = 4,
             .attributes = {{"http.status_code", "200"}},
             .event = {{"exception.type", "E"}},
             .event_name = "exception"});
  good.span({.id = 5, .event = {{"exception.escaped", "false"}}, .event_name = "exception"});
  good.span({.id = 6, .status = 1, .event = {{"exception.type", "E"}}, .event_name = "exception"});
  good.span({.id = 7, .attributes = {{"rpc.response.status_code", "20"}}});  // Dubbo's OK
  stream.add(bad.batch(), at(1), "a");
  stream.add(good.batch(), at(1), "a");
  const Frame frame = stream.tick(at(1));
  EXPECT_EQ(cell(frame, "bad")->errors, 6);
  EXPECT_EQ(cell(frame, "good")->errors, 0);
}

// What OpenTelemetry's first conventions had of an evaluation: no version and no user.
TEST(Stream, an_evaluation_is_told_in_the_oldest_form) {
  Stream stream;
  Builder b("s");
  b.span(
      {.id = 1,
       .event = {{"feature_flag.key", "k"}, {"feature_flag.provider_name", "x"}, {"feature_flag.variant", "candidate"}},
       .event_name = "feature_flag"});
  stream.add(b.batch(), at(1), "a");
  const Frame frame = stream.tick(at(1));
  ASSERT_EQ(frame.outcomes.size(), 1u);
  EXPECT_EQ(frame.outcomes[0].variant, "candidate");
  EXPECT_EQ(frame.outcomes[0].revision, 0);
  EXPECT_TRUE(frame.outcomes[0].by_instance);
}

TEST(Stream, sampled_spans_count_with_their_weight) {
  Stream stream;
  Builder b("s");
  b.state("vendor=x,ot=th:c").span({.id = 1});
  b.state("ot=rv:aa;th:8").span({.id = 2});
  b.state("ot=th:nonsense").span({.id = 3});
  stream.add(b.batch(), at(1), "a");
  const Frame frame = stream.tick(at(1));
  EXPECT_NEAR(cell(frame, "s")->count, 4 + 2 + 1, 1e-9);
  EXPECT_EQ(cell(frame, "s")->spans, 3u);
}

TEST(Sampling, a_tracestate_is_read_as_it_is_specified) {
  const auto weight = [](std::string_view state, uint32_t flags = 0, uint8_t last_bytes = 0) {
    model::Spans spans;
    spans.trace_state = {state};
    spans.flags = {flags};
    spans.trace_id.emplace_back().fill(last_bytes);
    return weight_of(spans, 0);
  };
  EXPECT_EQ(weight("robot=th:f,ot=th:8"), 2);  // another vendor's key ends like ours
  EXPECT_EQ(weight("robot=th:f"), 1);
  EXPECT_EQ(weight("a=b , ot=xth:f;th:c;p:8\t, c=d"), 4);
  EXPECT_EQ(weight("ot=th:0"), 1);
  EXPECT_EQ(weight("ot=th:c00000000000000"), 1);  // 15 digits are none
  EXPECT_EQ(weight("ot=th:"), 1);
  EXPECT_EQ(weight("ot=th:ffffffffffffff"), weight_max);
  EXPECT_EQ(weight("ot=th:c;rv:c0000000000000"), 4);
  EXPECT_EQ(weight("ot=th:c;rv:bfffffffffffff"), 1);  // it would not have been kept
  EXPECT_EQ(weight("ot=th:c;rv:bff"), 4);             // 14 digits or none
  EXPECT_EQ(weight("ot=th:c", 0x03, 0xbf), 1);        // the trace id is said to be random
  EXPECT_EQ(weight("ot=th:c", 0x01, 0xbf), 4);        // it is not
  EXPECT_EQ(weight("ot=th:c", 0x03, 0xc0), 4);
  EXPECT_EQ(weight("ot=th:c;rv:d0000000000000", 0x03, 1), 4);  // explicit randomness stands in for the id's
}

Attributes flag(std::string variant, std::string revision, std::string user) {
  return {{"feature_flag.key", "timeout"},
          {"feature_flag.result.variant", variant},
          {"feature_flag.version", revision},
          {"feature_flag.context.id", user}};
}

TEST(Stream, outcomes_join_a_flag_that_another_service_evaluated) {
  for (const bool flag_first : {true, false}) {
    Stream stream;
    Builder inner("payment"), outer("frontend");
    inner.span({.id = 4, .parent = 3, .kind = 2, .name = "POST /pay", .event = flag("candidate", "17", "bob")});
    outer.span({.id = 1, .kind = 2, .name = "GET /", .duration_ms = 100, .status = 2});
    stream.add(flag_first ? inner.batch() : outer.batch(), at(1), "a");
    EXPECT_EQ(stream.tick(at(1)).outcomes.size(), flag_first ? 1u : 0u);
    stream.add(flag_first ? outer.batch() : inner.batch(), at(3), "a");
    const Frame frame = stream.tick(at(3));
    const auto o = std::find_if(frame.outcomes.begin(), frame.outcomes.end(),
                                [](const Outcome& x) { return x.service == "frontend"; });
    ASSERT_NE(o, frame.outcomes.end());
    EXPECT_TRUE(o->entry);
    EXPECT_TRUE(o->error);
    EXPECT_EQ(o->revision, 17);
    EXPECT_EQ(o->variant, "candidate");
    EXPECT_FALSE(o->by_instance);
    EXPECT_EQ(o->second, t0);
  }
}

// The caller's exporter sends every ten seconds, and is in the middle of that.
TEST(Stream, outcomes_wait_for_a_late_batch) {
  Stream stream;
  Builder inner("payment"), outer("frontend");
  inner.span({.id = 4, .parent = 3, .kind = 2, .name = "POST /pay", .event = flag("candidate", "17", "bob")});
  outer.span({.id = 1, .kind = 2, .name = "GET /"});
  stream.tick(at(0));
  stream.add(inner.batch(), at(1), "a");
  for (int s = 1; s < 12; ++s) stream.tick(at(s));
  stream.add(outer.batch(), at(12), "a");
  EXPECT_EQ(stream.tick(at(12)).outcomes.size(), 1u);
}

TEST(Stream, outcomes_expire) {
  Stream stream;
  Builder inner("payment"), outer("frontend");
  inner.span({.id = 4, .parent = 3, .kind = 2, .name = "POST /pay", .event = flag("candidate", "17", "bob")});
  outer.span({.id = 1, .kind = 2, .name = "GET /"});
  stream.add(inner.batch(), at(1), "a");
  for (int s = 1; s < 60; ++s) stream.tick(at(s));
  stream.add(outer.batch(), at(60), "a");
  EXPECT_TRUE(stream.tick(at(60)).outcomes.empty());
}

// One request a second, each with a parent that nobody tells of; -> the outcome of each.
std::vector<Outcome> with_silent_callers(const char* service, uint8_t kind, const char* name, int seconds) {
  Stream stream;
  std::vector<Outcome> out;
  for (int i = 0; i < seconds; ++i) {
    Builder b(service);
    b.span({.trace = static_cast<uint8_t>(i + 1),
            .id = 1,
            .parent = 99,
            .kind = kind,
            .name = name,
            .start_ms = i * 1000,
            .event = flag("base", "1", "bob")});
    stream.add(b.batch(), at(i + 1), "a");
    const Frame frame = stream.tick(at(i + 1));
    EXPECT_EQ(frame.outcomes.size(), 1u);
    out.insert(out.end(), frame.outcomes.begin(), frame.outcomes.end());
  }
  return out;
}

TEST(Stream, an_operation_whose_callers_are_not_traced_is_an_entry) {
  const auto outcomes = with_silent_callers("frontend", 2, "GET /", 60);
  ASSERT_EQ(outcomes.size(), 60u);
  EXPECT_FALSE(outcomes.front().entry);
  EXPECT_TRUE(outcomes.back().entry);
}

// Messages that wait in a queue come long after their senders: nobody remembers these, and yet it is no entry.
TEST(Stream, a_consumer_of_a_long_queue_is_no_entry) {
  const auto outcomes = with_silent_callers("courier", 5, "deliver", 120);
  ASSERT_EQ(outcomes.size(), 120u);
  for (const auto& outcome : outcomes) {
    EXPECT_FALSE(outcome.entry);
    EXPECT_TRUE(outcome.message);
  }
}

TEST(Stream, an_operation_whose_callers_gave_up_on_it_is_no_entry) {
  Stream stream;
  size_t outcomes = 0;
  for (int i = 0; i < 90; ++i) {  // each caller waits a second, each answer takes twenty
    const auto trace = static_cast<uint8_t>(i + 1);
    const int began = i * 1000;
    stream.add(Builder("gateway")
                   .span({.trace = trace,
                          .id = 2,
                          .parent = 1,
                          .kind = 3,
                          .name = "POST",
                          .start_ms = began,
                          .duration_ms = 1000})
                   .batch(),
               at(i + 1), "a");
    if (i >= 20) {
      const auto late = static_cast<uint8_t>(i - 19);
      stream.add(Builder("checkout")
                     .span({.trace = late,
                            .id = 3,
                            .parent = 2,
                            .name = "POST /checkout",
                            .start_ms = began - 20'000,
                            .duration_ms = 20'000,
                            .event = flag("base", "1", "bob")})
                     .batch(),
                 at(i + 1), "a");
    }
    for (const Outcome& outcome : stream.tick(at(i + 1)).outcomes) {
      EXPECT_FALSE(outcome.entry) << "second " << i;
      ++outcomes;
    }
  }
  EXPECT_EQ(outcomes, 70u);
}

TEST(Stream, late_data_land_in_their_own_second_and_absurd_times_are_counted) {
  Stream stream;
  Builder b("s");
  b.span({.id = 1, .start_ms = -30'000}).span({.id = 2, .start_ms = 100}).span({.id = 3, .start_ms = -9'000'000});
  b.span({.id = 4, .start_ms = 9'000'000});
  stream.add(b.batch(), at(1), "a");
  const Frame frame = stream.tick(at(1));
  ASSERT_EQ(frame.cells.size(), 2u);
  EXPECT_EQ(std::min(frame.cells[0].second, frame.cells[1].second), t0 - 30);
  EXPECT_EQ(frame.shed, 2u);
}

TEST(Stream, names_are_bounded_and_harmless) {
  Stream stream(Limits{.operations_per_service_max = 20});
  for (int i = 0; i < 200; ++i) {
    Builder b("s\x1b[31m");
    b.span({.id = static_cast<uint64_t>(i + 1), .name = "GET /" + std::string(300, 'a') + std::to_string(i) + "x"});
    stream.add(b.batch(), at(1), "a");
  }
  const Frame frame = stream.tick(at(1));
  EXPECT_LE(frame.cells.size(), 21u);
  for (const Cell& c : frame.cells) {
    EXPECT_LE(c.operation.size(), 128u);
    EXPECT_EQ(c.service.find('\x1b'), std::string::npos);
  }
  EXPECT_GT(stream.shed().operations, 0u);
}

TEST(Stream, numbers_in_operation_names_are_folded_when_they_are_many) {
  Stream stream(Limits{.operations_per_service_max = 20});
  Builder b("s");
  for (int i = 0; i < 200; ++i)
    b.span({.id = static_cast<uint64_t>(i + 1), .name = "GET /item/" + std::to_string(i * 7919)});
  stream.add(b.batch(), at(1), "a");
  const Frame frame = stream.tick(at(1));
  double folded = 0;
  for (const Cell& c : frame.cells)
    if (c.operation == "GET /item/<*>") folded = c.count;
  EXPECT_EQ(folded, 190);
}

TEST(Stream, a_flood_of_series_is_shed_not_kept) {
  Stream stream(Limits{.series_max = 100});
  for (int i = 0; i < 1000; ++i) {
    Builder b("svc" + std::to_string(i));
    b.span({.id = static_cast<uint64_t>(i + 1)});
    stream.add(b.batch(), at(1), "a");
  }
  const Frame frame = stream.tick(at(1));
  EXPECT_LE(frame.cells.size(), 110u);
  double total = 0;
  for (const Cell& c : frame.cells) total += c.count;
  EXPECT_EQ(total, 1000) << "merged, not lost";
  EXPECT_GT(frame.shed, 0u);
}

TEST(Stream, joins_are_bounded) {
  Stream stream(Limits{.joins_max = 1000});
  for (int i = 0; i < 100; ++i) {
    Builder b("s");
    for (uint64_t j = 0; j < 100; ++j)
      b.span({.id = static_cast<uint64_t>(i) * 100 + j + 1, .parent = 1'000'000 + j, .kind = 3});
    stream.add(b.batch(), at(1), "a");
  }
  EXPECT_GT(stream.shed().total() + stream.tick(at(1)).shed, 0u);
}

TEST(Stream, a_new_version_is_a_deploy_and_a_new_process_a_restart) {
  Stream stream;
  Builder one("s", "1", "v1"), two("s", "1", "v2");
  one.span({.id = 1});
  two.span({.id = 2});
  stream.add(one.batch(), at(1), "a");
  EXPECT_TRUE(stream.tick(at(1)).changes.empty());
  stream.add(two.batch(), at(2), "a");
  stream.add(two.batch(), at(2), "a");
  const Frame frame = stream.tick(at(2));
  ASSERT_EQ(frame.changes.size(), 1u);
  EXPECT_EQ(frame.changes[0].kind, "deploy");
  EXPECT_EQ(frame.changes[0].detail, "v2");
}

TEST(Stream, log_lines_become_templates_with_their_subjects) {
  Stream stream;
  Builder b("login");
  for (int i = 0; i < 50; ++i)
    b.log("login failed for user u" + std::to_string(i) + " from 10.0.0." + std::to_string(i), 13);
  for (int i = 0; i < 5; ++i) b.log("served in " + std::to_string(i) + " ms", 9);
  stream.add(b.batch(), at(1), "a");
  const Frame frame = stream.tick(at(1));
  ASSERT_EQ(frame.logs.size(), 2u);
  const LogCell& failed = frame.logs[0].severity == 13 ? frame.logs[0] : frame.logs[1];
  EXPECT_EQ(failed.pattern, "login failed for user <*> from <*>");
  EXPECT_EQ(failed.count, 50);
  EXPECT_NEAR(static_cast<double>(failed.subjects), 50, 5);
}

TEST(Stream, a_template_shows_which_words_have_varied) {
  Stream stream;
  const auto patterns = [&](std::string_view body, int64_t second) {
    Builder b("login");
    b.log(std::string(body), 9);
    stream.add(b.batch(), at(second), "a");
    std::vector<std::string> out;
    for (const LogCell& cell : stream.tick(at(second)).logs) out.push_back(cell.pattern);
    return out;
  };
  using Patterns = std::vector<std::string>;
  EXPECT_EQ(patterns("log in of bob done", 1), Patterns{"log in of bob done"});
  EXPECT_EQ(patterns("log in of bob done", 2), Patterns{"log in of bob done"});
  EXPECT_EQ(patterns("log in of eve done", 3), Patterns{"log in of <*> done"});
  EXPECT_EQ(patterns("log in of bob failed", 4), Patterns{"log in of <*> <*>"});
  EXPECT_EQ(patterns("name=bob is =1 @home =", 5), Patterns{"name=<*> is =<*> <*> ="});
}

TEST(Stream, a_failed_and_a_slow_request_are_examples_of_their_second) {
  Stream stream;
  Builder healthy("pay"), ill("pay");
  for (uint8_t i = 1; i < 40; ++i) healthy.span({.trace = i, .id = i, .duration_ms = 10});
  stream.add(healthy.batch(), at(1), "a");
  EXPECT_TRUE(cell(stream.tick(at(1)), "pay", 2)->examples.empty()) << "nothing failed, and nothing was slow";
  ill.span({.trace = 0xa1, .id = 1, .duration_ms = 12, .attributes = {{"http.response.status_code", "503"}}});
  ill.span({.trace = 0xa2, .id = 2, .duration_ms = 11, .status = 2});
  ill.span({.trace = 0xa3, .id = 3, .duration_ms = 30});
  ill.span({.trace = 0xa4, .id = 4, .duration_ms = 40});
  ill.span({.trace = 0, .id = 5, .duration_ms = 50});
  stream.add(ill.batch(), at(1), "a");
  const Frame frame = stream.tick(at(2));
  const std::vector<Example>& examples = cell(frame, "pay", 2)->examples;
  ASSERT_EQ(examples.size(), 2U) << "one of each kind, however many there were";
  EXPECT_EQ(examples[0].trace, "a1" + std::string(30, '0'));
  EXPECT_TRUE(examples[0].failed);
  EXPECT_FALSE(examples[0].marked) << "by its code alone";
  EXPECT_EQ(examples[1].trace, "a4" + std::string(30, '0'));
  EXPECT_FALSE(examples[1].failed);
  EXPECT_EQ(examples[1].duration_ms, 40);
}

TEST(Stream, a_warning_names_its_trace) {
  Stream stream;
  Builder b("pay");
  b.log("all is well", 9, {}, 0, 0xa1)
      .log("the bank is gone", 17, {}, 0, 0xa2)
      .log("the bank is gone", 17, {}, 0, 0xa3);
  stream.add(b.batch(), at(1), "a");
  for (const LogCell& log : stream.tick(at(1)).logs)
    EXPECT_EQ(log.trace, log.severity == 17 ? "a2" + std::string(30, '0') : "");
}

TEST(Stream, kpis_count_what_was_declared) {
  Stream stream;
  config::Declarations d;
  config::Kpi orders, ratio;
  orders.name = "orders";
  ratio.name = "good";
  orders.service = ratio.service = "s";
  orders.operation = ratio.operation = "buy";
  ratio.kind = config::KpiKind::ratio;
  ratio.good_attribute = "paid";
  ratio.good_value = "yes";
  d.kpis = {orders, ratio};
  stream.declare(d);
  Builder b("s");
  b.span({.id = 1, .name = "buy", .attributes = {{"paid", "yes"}}});
  b.span({.id = 2, .name = "buy", .attributes = {{"paid", "no"}}});
  b.span({.id = 3, .name = "look"});
  stream.add(b.batch(), at(1), "a");
  const Frame frame = stream.tick(at(1));
  ASSERT_EQ(frame.kpis.size(), 2u);
  EXPECT_EQ(frame.kpis[0].numerator, 2);
  EXPECT_EQ(frame.kpis[1].numerator, 1);
  EXPECT_EQ(frame.kpis[1].denominator, 2);
}

model::Batch counter(int64_t second, double value) {
  model::Batch batch;
  batch.signal = model::Signal::metrics;
  batch.resources.push_back({.service = "s"});
  model::Metric metric{.name = "orders.total"};
  metric.kind = model::MetricKind::sum, metric.temporality = model::Temporality::cumulative;
  batch.points.metrics.push_back(metric);
  batch.points.metric.push_back(0);
  batch.points.time.push_back(at(second)), batch.points.start_time.push_back(at(0)), batch.points.flags.push_back(0);
  batch.points.value.push_back(value), batch.points.int_value.push_back(0), batch.points.is_int.push_back(0);
  batch.points.distribution.push_back(model::Points::no_distribution);
  batch.points.attributes.end_row();
  return batch;
}

// An SDK exports its metrics each minute: sixty orders are one a second, not sixty in one and none in the others.
TEST(Stream, what_a_metric_counted_is_of_the_whole_time_since_it_was_told) {
  Stream stream;
  config::Declarations d;
  d.kpis.push_back({.name = "orders", .source = "metric", .metric = "orders.total"});
  stream.declare(d);
  stream.add(counter(60, 1'000), at(60), "a");
  stream.add(counter(120, 1'060), at(120), "a");
  const Frame frame = stream.tick(at(120));
  ASSERT_EQ(frame.kpis.size(), 60u);
  for (const KpiPoint& point : frame.kpis) EXPECT_NEAR(point.numerator, 1, 1e-9) << point.second - t0;
  EXPECT_EQ(frame.kpis.front().second, t0 + 61);
}

}  // namespace
}  // namespace hs::stream
