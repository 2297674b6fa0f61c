#include "wire/syslog/message.h"

#include <gtest/gtest.h>

#include "base/time.h"

namespace hs::wire::syslog {
namespace {

UnixNanos at(std::string_view time) { return parse_time(time).value(); }
const ParseContext context{.received = at("2026-01-15T12:00:00Z")};

TEST(SyslogMessage, EveryFieldOfRfc5424) {
  const Message m = parse(
      "<165>1 2003-08-24T05:14:15.000003-07:00 host.example app 8710 ID47 "
      "[a@1 x=\"1\" y=\"q\\\"\\\\\\]z\\n\"][b] \xEF\xBB\xBFtext here",
      context);
  EXPECT_TRUE(m.has_priority);
  EXPECT_EQ(m.facility, 20);
  EXPECT_EQ(m.severity, 5);
  EXPECT_EQ(m.version, 1);
  EXPECT_EQ(m.time, at("2003-08-24T12:14:15.000003Z"));
  EXPECT_EQ(m.host, "host.example");
  EXPECT_EQ(m.app, "app");
  EXPECT_EQ(m.process, "8710");
  EXPECT_EQ(m.message_id, "ID47");
  ASSERT_EQ(m.parameters.size(), 3U);
  EXPECT_EQ(m.parameters[0].id, "a@1");
  EXPECT_EQ(m.parameters[0].value, "1");
  EXPECT_EQ(m.parameters[1].value, "q\"\\]z\\n");
  EXPECT_EQ(m.parameters[2].id, "b");
  EXPECT_EQ(m.parameters[2].name, "");
  EXPECT_EQ(m.text, "text here");
  EXPECT_EQ(m.problem, "");
}

TEST(SyslogMessage, Rfc5424WithoutAnything) {
  const Message m = parse("<0>1 - - - - - -", context);
  EXPECT_EQ(m.version, 1);
  EXPECT_EQ(m.severity, 0);
  EXPECT_EQ(m.time, 0);
  EXPECT_TRUE(m.host.empty() && m.app.empty() && m.text.empty());
}

TEST(SyslogMessage, Rfc3164AndWhatPassesForIt) {
  const Message m = parse("<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed", context);
  EXPECT_EQ(m.facility, 4);
  EXPECT_EQ(m.severity, 2);
  EXPECT_EQ(m.version, 0);
  EXPECT_EQ(m.time, at("2025-10-11T22:14:15Z"));
  EXPECT_EQ(m.host, "mymachine");
  EXPECT_EQ(m.app, "su");
  EXPECT_EQ(m.process, "12");
  EXPECT_EQ(m.text, "'su root' failed");
  EXPECT_EQ(parse("<34>Oct  1 22:14:15 h no tag here", context).text, "no tag here");
  EXPECT_EQ(parse("<34>Oct 11 2003 22:14:15 h t: m", context).time, at("2003-10-11T22:14:15Z"));
  EXPECT_EQ(parse("<34>2003-10-11T22:14:15.003Z h t: m", context).app, "t");
  EXPECT_EQ(parse("Oct 11 22:14:15 h t: m", context).host, "h");
  EXPECT_EQ(parse("<34>Oct 11 22:14:15 h t:m", context).text, "t:m");
  EXPECT_EQ(parse("<34>Oct 11 22:14:15 m", context).text, "m");
  EXPECT_EQ(parse("<34>Oct 11 22:14:15 m", context).host, "");
  EXPECT_EQ(parse("<34>Oct 11 22:14:15 ::1 t: m", context).host, "::1");
}

TEST(SyslogMessage, TheYearThatIsNotTold) {
  const auto year = [](std::string_view text, std::string_view received) {
    return format_rfc3339(parse(text, {.received = at(received)}).time);
  };
  EXPECT_EQ(year("<1>Dec 31 23:59:59 h t: m", "2026-01-01T00:00:01Z"), "2025-12-31T23:59:59.000Z");
  EXPECT_EQ(year("<1>Jan  1 00:00:01 h t: m", "2025-12-31T23:59:59Z"), "2026-01-01T00:00:01.000Z");
  EXPECT_EQ(year("<1>Jan  1 00:00:01 h t: m", "2026-01-01T00:00:02Z"), "2026-01-01T00:00:01.000Z");
  EXPECT_EQ(year("<1>Feb 29 00:00:00 h t: m", "2026-03-01T00:00:00Z"), "2024-02-29T00:00:00.000Z");
  const Message east = parse("<1>Jan 15 13:00:00 h t: m", {.received = context.received, .utc_offset_s = 7200});
  EXPECT_EQ(east.time, at("2026-01-15T11:00:00Z"));
}

TEST(SyslogMessage, WhatIsNoHeaderIsText) {
  for (const char* text : {"", "<34>", "<", "hello world", "<192>1 - - - - - -", "<34>1 2003-13-11T22:14:15Z h a - - -",
                           "<13>1 - h a p m [x@1 a=\"b] msg", "<34>1 2003-02-30T22:14:15Z h a - - -", "<1>1 - - - - -",
                           "<99999999999>x"}) {
    const Message m = parse(text, context);
    EXPECT_NE(m.problem, "") << text;
    EXPECT_TRUE(std::string_view(text).ends_with(m.text)) << text;
    EXPECT_TRUE(m.parameters.empty()) << text;
  }
  const Message cisco = parse("<189>42: *Mar  1 18:46:11: %SYS-5-CONFIG_I: Configured", context);
  EXPECT_EQ(cisco.severity, 5);
  EXPECT_EQ(cisco.text, "42: *Mar  1 18:46:11: %SYS-5-CONFIG_I: Configured");
}

TEST(SyslogMessage, Offsets) {
  EXPECT_EQ(parse_utc_offset("Z").value(), 0);
  EXPECT_EQ(parse_utc_offset("+02:00").value(), 7200);
  EXPECT_EQ(parse_utc_offset("-07:30").value(), -27000);
  for (const char* text : {"", "2", "+2:00", "+02:00x", "UTC"}) EXPECT_FALSE(parse_utc_offset(text)) << text;
}

TEST(SyslogMessage, ParametersAreBounded) {
  std::string text = "<1>1 - - - - - [a";
  for (size_t i = 0; i < 2 * parameters_max; ++i) text += " n=\"v\"";
  text += "] m";
  const Message m = parse(text, context);  // a message points into its text
  EXPECT_EQ(m.parameters.size(), parameters_max);
  EXPECT_EQ(m.text, "m");
}

}  // namespace
}  // namespace hs::wire::syslog
