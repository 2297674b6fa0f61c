#include "agent/redact.h"

#include <random>

#include <gtest/gtest.h>

#include "agent/intake.h"
#include "agent/sample.h"
#include "model/sampling.h"

namespace hs::agent {
namespace {

std::string redacted(const RedactOptions& options, std::string text) {
  const auto redactor = Redactor::make(options);
  EXPECT_TRUE(redactor) << redactor.error().message;
  (*redactor)->redact(text);
  return text;
}

struct Case {
  const char *pattern, *text, *want;
};

TEST(Redact, BuiltInPatternsFindWhatTheyNameAndNothingElse) {
  const Case cases[] = {
      {"credit_card", "paid with 4111 1111 1111 1111.", "paid with [redacted:credit_card]."},
      {"credit_card", "4111-1111-1111-1111", "[redacted:credit_card]"},
      {"credit_card", "378282246310005", "[redacted:credit_card]"},
      {"credit_card", "4111 1111 1111 1112", "4111 1111 1111 1112"},  // Luhn
      {"credit_card", "id 1700000000123456789", "id 1700000000123456789"},
      {"credit_card", "trace 54111111111111111111111", "trace 54111111111111111111111"},
      {"email", "from ann.lee+x@mail.example.org!", "from [redacted:email]!"},
      {"email", "user@host", "user@host"},
      {"bearer", "Authorization: Bearer abcDEF123._~+/-== next", "Authorization: Bearer [redacted:bearer] next"},
      {"bearer", "the bearer of bad news", "the bearer of bad news"},
      {"jwt", "t=eyJhbGciOi.eyJzdWIiOiI.c2ln;", "t=[redacted:jwt];"},
      {"url_password", "postgres://app:s3cr%40t@db:5432/x", "postgres://app:[redacted:url_password]@db:5432/x"},
      {"url_password", "redis://:hunter2@cache", "redis://:[redacted:url_password]@cache"},
      {"url_password", "http://host:8080/a@b", "http://host:8080/a@b"},
      {"url_password", "amqp://u:p\xff\xfeq@h", "amqp://u:[redacted:url_password]@h"},  // no valid UTF-8
      {"url_secret", "GET /x?a=1&api_key=abc&b=2", "GET /x?a=1&api_key=[redacted:url_secret]&b=2"},
      {"url_secret", "?tokens=abc", "?tokens=abc"},
      {"private_key", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nend",
       "[redacted:private_key]\nend"},
      {"private_key", "-----BEGIN PRIVATE KEY-----\nMIIE cut", "[redacted:private_key]"},
      {"aws_access_key", "AKIAIOSFODNN7EXAMPLE", "[redacted:aws_access_key]"},
  };
  for (const Case& c : cases) EXPECT_EQ(redacted({.patterns = {c.pattern}}, c.text), c.want) << c.pattern;
}

TEST(Redact, SeveralSecretsAndPatternsInOneText) {
  EXPECT_EQ(
      redacted({.patterns = {"email", "url_password"}, .custom = {R"(ssn=\b\d{3}-\d{2}-\d{4}\b)", "pin=pin (\\d+)"}},
               "a@b.de c@d.de 123-45-6789 pin 77 mysql://u:p@h"),
      "[redacted:email] [redacted:email] [redacted:ssn] pin [redacted:pin] mysql://u:[redacted:url_password]@h");
}

TEST(Redact, WhatIsWrongIsSaidWithItsSetting) {
  const auto said = [](const RedactOptions& options, std::string_view setting) {
    const auto made = Redactor::make(options);
    EXPECT_FALSE(made);
    return !made && made.error().message.find(setting) != std::string::npos;
  };
  EXPECT_TRUE(said({.patterns = {"credit_cards"}}, "agent.redact.patterns"));
  EXPECT_TRUE(said({.patterns = {"credit_cards"}}, "url_password"));
  EXPECT_TRUE(said({.custom = {"x=(["}}, "agent.redact.custom"));
  EXPECT_TRUE(said({.custom = {"x=a*"}}, "empty text"));
  EXPECT_TRUE(said({.custom = {"no regex"}}, "NAME=REGEX"));
  EXPECT_TRUE(said({.patterns = {"email"}, .custom = {"email=x"}}, "already"));
}

TEST(Redact, KeysAreExactOrPrefixes) {
  using Attribute = wire::otlp::Edits::Attribute;
  const auto redactor = *Redactor::make({.drop_keys = {"http.request.header.*", "a"}, .mask_keys = {"user.id"}});
  EXPECT_EQ(redactor->verdict("http.request.header.cookie"), Attribute::drop);
  EXPECT_EQ(redactor->verdict("a"), Attribute::drop);
  EXPECT_EQ(redactor->verdict("ab"), Attribute::keep);
  EXPECT_EQ(redactor->verdict("user.id"), Attribute::mask);
  EXPECT_EQ(redactor->counts().size(), 2U);
  EXPECT_EQ(redactor->counts()[0].times, 2U);
}

wire::otlp::Edits::Span span_of(const std::string& id, bool error = false) { return {id, "", error}; }

std::string id_of(uint64_t random) {  // the last 56 bits
  std::string id(16, '\x5a');
  for (size_t i = 0; i < 7; ++i) id[15 - i] = static_cast<char>(random >> 8 * i);
  return id;
}

TEST(Sample, KeepsWhatIsNotBelowTheThresholdAndSaysSo) {
  std::string state;
  EXPECT_TRUE(keep(span_of(id_of(model::threshold_end - 1)), state, {.ratio = 0.25}));
  EXPECT_EQ(state, "ot=th:c");
  state.clear();
  EXPECT_TRUE(keep(span_of(id_of(0xc0000000000000)), state, {.ratio = 0.25}));
  state.clear();
  EXPECT_FALSE(keep(span_of(id_of(0xbfffffffffffff)), state, {.ratio = 0.25}));
  state = "vendor=1,ot=rv:ffffffffffffff";
  EXPECT_TRUE(keep(span_of(id_of(0)), state, {.ratio = 0.25}));  // its own randomness counts
  EXPECT_EQ(state, "ot=th:c;rv:ffffffffffffff,vendor=1");
}

TEST(Sample, WhatWasSampledHarderStays) {
  std::string state = "ot=th:f";
  EXPECT_TRUE(keep(span_of(id_of(0xf8000000000000)), state, {.ratio = 0.25}));
  EXPECT_EQ(state, "ot=th:f");
  state = "ot=th:8";
  EXPECT_TRUE(keep(span_of(id_of(0xf8000000000000)), state, {.ratio = 0.25}));
  EXPECT_EQ(state, "ot=th:c");
  state = "ot=th:8";
  EXPECT_FALSE(keep(span_of(id_of(0x90000000000000)), state, {.ratio = 0.25}));
}

TEST(Sample, ErrorsStandForThemselvesWhenTheyAreKept) {
  std::string state;
  EXPECT_FALSE(keep(span_of(id_of(1), true), state, {.ratio = 0.25}));
  EXPECT_TRUE(keep(span_of(id_of(1), true), state, {.ratio = 0.25, .keep_errors = true}));
  EXPECT_TRUE(keep(span_of(id_of(model::threshold_end - 1), true), state, {.ratio = 0.25, .keep_errors = true}));
  EXPECT_EQ(state, "");
}

TEST(Sample, TheWeightedCountIsRight) {
  std::mt19937_64 random(3);
  double weighted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string state;
    if (keep(span_of(id_of(random() & (model::threshold_end - 1))), state, {.ratio = 0.1}))
      weighted += 1 / model::probability_of(*model::stated_threshold(state));
  }
  EXPECT_NEAR(weighted, 20'000, 20'000 * 0.1);  // six standard deviations are 9 %
}

TEST(Intake, WhatNeedsNoChangeStaysAsItCame) {
  ingest::Incoming incoming;
  incoming.signal = model::Signal::logs;
  incoming.encoding = ingest::Encoding::zstd;
  incoming.body = "opaque";
  const auto item = take_in(incoming, model::Batch{}, {});
  ASSERT_TRUE(item);
  EXPECT_FALSE(*item);  // no row
  model::Batch batch;
  batch.signal = model::Signal::logs;
  batch.logs.time.push_back(1);
  const auto whole = take_in(incoming, batch, {});
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ((*whole)->body, "opaque");
  EXPECT_EQ((*whole)->encoding, ingest::Encoding::zstd);
}

}  // namespace
}  // namespace hs::agent
