#include "wire/otlp/rewrite.h"

#include <gtest/gtest.h>

#include "wire/otlp/test_payloads.h"

namespace hs::wire::otlp {
namespace {

using model::Signal;
using test::attribute;
using test::Message;
using test::string_value;

std::string rewritten(Signal signal, const std::string& body, const Edits& edits) {
  const auto done = rewrite(signal, body, edits);
  EXPECT_TRUE(done) << done.error().message;
  return done ? done->body : "";
}

Edits shouting() {
  Edits edits;
  edits.text = [](std::string& text) {
    const bool found = text.find("secret") != std::string::npos;
    if (found) text = "S";
    return found;
  };
  return edits;
}

// Every place where text may stand.
Message span_with(std::string_view text) {
  const Message array = Message().message(5, Message().message(1, string_value(text)));
  const Message map = Message().message(6, Message().message(1, attribute("k", string_value(text))));
  return Message()
      .text(1, test::trace_id)
      .text(2, test::span_id)
      .text(5, text)
      .message(9, attribute("a", string_value(text)))
      .message(9, attribute("b", array))
      .message(9, attribute("c", map))
      .message(9, attribute("d", Message().text(7, text)))
      .message(11, Message().text(2, text).message(3, attribute("e", string_value(text))))
      .message(13, Message().text(1, test::trace_id).message(4, attribute("f", string_value(text))))
      .message(15, Message().text(2, text).varint(3, 2));
}

TEST(Rewrite, WithoutAnEditNothingChanges) {
  const std::string body = test::request({span_with("x"), test::minimal_span()});
  EXPECT_EQ(rewritten(Signal::traces, body, {}), body);
  EXPECT_EQ(rewritten(Signal::traces, body, shouting()), body);
  EXPECT_EQ(rewritten(Signal::traces, "", {}), "");
}

TEST(Rewrite, TextIsFoundWhereverItMayStand) {
  EXPECT_EQ(rewritten(Signal::traces, test::request({span_with("a secret")}), shouting()),
            test::request({span_with("S")}));
  const auto record = [](std::string_view text) {
    return Message()
        .text(3, text)
        .message(5, string_value(text))
        .message(6, attribute("a", string_value(text)))
        .text(12, text);
  };
  EXPECT_EQ(rewritten(Signal::logs, test::request({record("a secret")}), shouting()), test::request({record("S")}));
}

TEST(Rewrite, NamesOfMetricsAndKeysStay) {
  const Message point = Message().fixed64(3, 1).message(7, attribute("secret", string_value("x")));
  const Message metric =
      Message().text(1, "secret").text(2, "secret").text(3, "secret").message(5, Message().message(1, point));
  EXPECT_EQ(rewritten(Signal::metrics, test::request({metric}), shouting()), test::request({metric}));
}

TEST(Rewrite, AttributesAreDroppedOrMaskedByKeyAtEveryDepth) {
  Edits edits;
  edits.attribute = [](std::string_view key) {
    return key == "drop" ? Edits::Attribute::drop : key == "mask" ? Edits::Attribute::mask : Edits::Attribute::keep;
  };
  const auto record = [](std::string_view masked, bool dropped) {
    Message map = Message().message(1, attribute("mask", string_value(masked)));
    Message out = Message().message(5, Message().message(6, map)).message(6, attribute("mask", string_value(masked)));
    if (dropped) out.message(6, attribute("drop", string_value("x")));
    return out.message(6, attribute("keep", string_value("y")));
  };
  EXPECT_EQ(rewritten(Signal::logs, test::request({record("x", true)}), edits),
            test::request({record("[redacted]", false)}));
}

TEST(Rewrite, WhatNobodyKnowsIsLeftOutWhenSomethingIsToBeHidden) {
  const Message odd =
      test::minimal_span().text(99, "a secret").text(7, "a secret");  // a new field; a time that is text
  const auto kept = rewrite(Signal::traces, test::request({odd}), {});
  EXPECT_EQ(kept->body, test::request({odd}));
  const auto hidden = rewrite(Signal::traces, test::request({odd}), shouting());
  EXPECT_EQ(hidden->body, test::request({test::minimal_span()}));
  EXPECT_EQ(hidden->unknown_dropped, 2U);
}

TEST(Rewrite, SpansGoAndTraceStatesAreWritten) {
  Edits edits;
  edits.span = [](const Edits::Span& span, std::string& trace_state) {
    if (span.error) return false;
    EXPECT_EQ(span.trace_id, test::trace_id);
    trace_state = "ot=th:8";
    return true;
  };
  const Message failing = test::minimal_span().message(15, Message().varint(3, 2));
  const auto done = rewrite(Signal::traces, test::request({failing, test::minimal_span(), failing}), edits);
  EXPECT_EQ(done->spans_dropped, 2U);
  EXPECT_EQ(done->body, test::request({test::minimal_span().text(3, "ot=th:8")}));
  const auto none = rewrite(Signal::traces, test::request({failing}), edits);
  EXPECT_EQ(none->body, "");  // no empty groups stay
}

TEST(Rewrite, DeepNestingIsCutAndGarbageRefused) {
  Message value = string_value("deep");
  for (int i = 0; i < 300; ++i) {
    Message outer;
    outer.message(5, Message().message(1, value));
    value = outer;
  }
  const auto done = rewrite(Signal::logs, test::request({Message().message(5, value)}), shouting());
  ASSERT_TRUE(done);
  EXPECT_EQ(done->unknown_dropped, 1U);
  EXPECT_EQ(rewrite(Signal::logs, "\xff\xff\xff", {}).error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace hs::wire::otlp
