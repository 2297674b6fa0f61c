#include "chaos/tolerance.h"

#include <gtest/gtest.h>

#include "chaos/hosts.h"

namespace hs::chaos {
namespace {

using json::Json;

bool meets(const char* tolerance, const char* result) {
  const auto parsed = Tolerance::parse(Json::parse(tolerance));
  EXPECT_TRUE(parsed) << tolerance << ": " << parsed.error().message;
  return parsed && parsed->meets(Json::parse(result));
}

TEST(Tolerance, ScalarsAreStrict) {
  EXPECT_TRUE(meets("200", "200"));
  EXPECT_TRUE(meets("1", "1.0"));
  EXPECT_TRUE(meets("true", "true"));
  EXPECT_TRUE(meets("\"up\"", "\"up\""));
  EXPECT_FALSE(meets("1", "true"));
  EXPECT_FALSE(meets("true", "1"));
  EXPECT_FALSE(meets("1", "\"1\""));
  EXPECT_FALSE(meets("200", "null"));
}

TEST(Tolerance, AnObjectCountsByItsStatus) {
  EXPECT_TRUE(meets("200", R"({"status":200,"body":"x"})"));
  EXPECT_FALSE(meets("200", R"({"status":503})"));
  EXPECT_TRUE(meets("[200,299]", R"({"status":204})"));
  EXPECT_TRUE(meets("[200,201,404]", R"({"status":404})"));
}

TEST(Tolerance, TwoNumbersAreARangeAndOtherListsAreChoices) {
  EXPECT_TRUE(meets("[1,3]", "1"));
  EXPECT_TRUE(meets("[1,3]", "2.5"));
  EXPECT_TRUE(meets("[1,3]", "3"));
  EXPECT_FALSE(meets("[1,3]", "3.001"));
  EXPECT_FALSE(meets("[1,3]", "\"2\""));
  EXPECT_TRUE(meets("[1,2,3]", "3"));
  EXPECT_FALSE(meets("[1,2,3]", "2.5"));
  EXPECT_TRUE(meets(R"(["a","b"])", "\"b\""));
  EXPECT_FALSE(meets(R"(["a","b"])", "\"ab\""));
}

TEST(Tolerance, Regex) {
  EXPECT_TRUE(meets(R"({"type":"regex","pattern":"^ok$","target":"body"})", R"({"status":200,"body":"ok"})"));
  EXPECT_FALSE(meets(R"({"type":"regex","pattern":"^ok$","target":"body"})", R"({"status":200,"body":"not ok"})"));
  EXPECT_TRUE(meets(R"({"type":"regex","pattern":"\"a\":1","target":"body"})", R"({"body":{"a":1}})"));
  EXPECT_FALSE(meets(R"({"type":"regex","pattern":"x","target":"nothing"})", R"({"body":"x"})"));
}

TEST(Tolerance, Paths) {
  const char* result = R"({"status":200,"body":{"items":[{"n":1},{"n":2}],"a b":true}})";
  EXPECT_TRUE(meets(R"({"type":"jsonpath","path":"$.items[0].n","target":"body","expect":1})", result));
  EXPECT_TRUE(meets(R"({"type":"jsonpath","path":"$.items[-1].n","target":"body","expect":2})", result));
  EXPECT_TRUE(meets(R"({"type":"jsonpath","path":"$.items[*].n","target":"body","expect":[1,2]})", result));
  EXPECT_FALSE(meets(R"({"type":"jsonpath","path":"$.items[*].n","target":"body","expect":[2,1]})", result));
  EXPECT_TRUE(meets(R"({"type":"jsonpath","path":"$.items.*","target":"body","count":2})", result));
  EXPECT_TRUE(meets(R"({"type":"jsonpath","path":"$['a b']","target":"body"})", result));
  EXPECT_FALSE(meets(R"({"type":"jsonpath","path":"$.none","target":"body"})", result));
  EXPECT_TRUE(meets(R"({"type":"jsonpath","path":"$.none","target":"body","count":0})", result));
  EXPECT_TRUE(meets(R"({"type":"jsonpath","path":"$.x","expect":5})", R"("{\"x\":5}")"));
}

TEST(Tolerance, Range) {
  EXPECT_TRUE(meets(R"({"type":"range","range":[0,5],"target":"body"})", R"({"body":5})"));
  EXPECT_FALSE(meets(R"({"type":"range","range":[0,5],"target":"body"})", R"({"body":"5"})"));
}

TEST(Tolerance, Refused) {
  for (const char* text : {"null", "[]", "{}", R"({"type":"probe","name":"x"})", R"({"type":"regex"})",
                           R"({"type":"regex","pattern":"("})", R"({"type":"jsonpath","path":"$..x"})",
                           R"({"type":"jsonpath","path":"$[?(@.x)]"})", R"({"type":"jsonpath","path":"$[1"})",
                           R"({"type":"jsonpath","path":"x"})", R"({"type":"range","range":[1]})"})
    EXPECT_FALSE(Tolerance::parse(Json::parse(text))) << text;
}

TEST(Hosts, WordForWord) {
  const auto hosts = HostList::parse({"127.0.0.1:80", "shop:8080", "[::1]:9"});
  ASSERT_TRUE(hosts);
  EXPECT_TRUE(hosts->allows(*io::parse_endpoint("127.0.0.1:80")));
  EXPECT_TRUE(hosts->allows(*io::parse_endpoint("[::1]:9")));
  EXPECT_FALSE(hosts->allows(*io::parse_endpoint("127.0.0.1:81")));
  EXPECT_FALSE(hosts->allows(*io::parse_endpoint("127.0.0.2:80")));
  EXPECT_FALSE(hosts->allows(*io::parse_endpoint("shop.evil:8080")));
  EXPECT_FALSE(hosts->allows(*io::parse_endpoint("unix:/x")));
  EXPECT_FALSE(HostList::parse({"shop"}));
  EXPECT_FALSE(HostList::parse({"unix:/x"}));
}

TEST(Hosts, WhatANameMayLeadTo) {
  const io::Endpoint name = *io::parse_endpoint("shop:80"), number = *io::parse_endpoint("10.0.0.1:80");
  EXPECT_TRUE(HostList::may_dial(name, "127.0.0.1"));
  EXPECT_TRUE(HostList::may_dial(name, "10.0.0.5"));
  for (const char* address : {"169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "fe80::1", "::", "ff02::1",
                              "::ffff:169.254.169.254", "garbage", ""})
    EXPECT_FALSE(HostList::may_dial(name, address)) << address;
  EXPECT_TRUE(HostList::may_dial(number, "10.0.0.1"));
  EXPECT_FALSE(HostList::may_dial(number, "10.0.0.2"));
}

}  // namespace
}  // namespace hs::chaos
