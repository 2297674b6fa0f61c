#include "model/canonical.h"

#include <limits>

#include <gtest/gtest.h>

namespace hs::model {
namespace {

TEST(Canonical, Numbers) {
  Arena arena;
  EXPECT_EQ(integer_text(arena, std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(real_text(arena, 0.1), "0.1");
  EXPECT_EQ(real_text(arena, 1), "1");
  EXPECT_EQ(real_text(arena, 1e-300), "1e-300");
  EXPECT_EQ(real_text(arena, std::numeric_limits<double>::quiet_NaN()), "NaN");
  EXPECT_EQ(real_text(arena, -std::numeric_limits<double>::infinity()), "-Infinity");
  EXPECT_EQ(base64_text(arena, std::string_view("\0\1", 2)), "AAE=");
}

TEST(Canonical, JsonStrings) {
  std::string out;
  append_json_string(out, std::string_view("q\" b\\ n\n t\t \x01 \0 \xC3\xA9", 18));
  EXPECT_EQ(out, "\"q\\\" b\\\\ n\\n t\\t \\u0001 \\u0000 \xC3\xA9\"");
}

Resource resource(std::vector<Attribute> attributes, std::string_view schema = "") {
  Resource r;
  r.attributes = std::move(attributes);
  r.schema_url = schema;
  canonicalise(r);
  return r;
}

TEST(Canonical, EqualContentEqualId) {
  const Resource a = resource({{"service.name", "shop"}, {"host.name", "h1"}});
  const Resource b = resource({{"host.name", "h1"}, {"service.name", "shop"}});
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.service, "shop");
  EXPECT_EQ(a.instance, "h1");
  EXPECT_NE(a.id, resource({{"host.name", "h1"}, {"service.name", "shop"}}, "https://schema").id);
  EXPECT_NE(resource({{"a", "1", ValueType::integer}}).id, resource({{"a", "1"}}).id);
  EXPECT_NE(resource({{"ab", "c"}}).id, resource({{"a", "bc"}}).id);
}

TEST(Canonical, ServiceAndInstanceHaveFallbacks) {
  EXPECT_EQ(resource({}).service, "unknown_service");
  EXPECT_EQ(resource({{"service.name", ""}}).service, "unknown_service");
  EXPECT_EQ(resource({{"k8s.pod.name", "p"}}).instance, "p");
  EXPECT_EQ(resource({{"host.name", "h"}, {"service.instance.id", "i"}}).instance, "i");
}

TEST(Canonical, ScopesDifferByEveryPart) {
  Scope a, b;
  a.name = "lib";
  b.name = "lib";
  b.version = "1";
  canonicalise(a);
  canonicalise(b);
  EXPECT_NE(a.id, b.id);
}

TEST(Describe, TextCannotForgeLines) {
  Batch batch;
  batch.signal = Signal::logs;
  batch.rejected_why = "x\nlog forged";
  EXPECT_EQ(describe(batch), "logs: 0 items, 0 rejected: \"x\\nlog forged\"\n");
}

}  // namespace
}  // namespace hs::model
