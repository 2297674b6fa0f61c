#include "base/metrics.h"

#include <gtest/gtest.h>

namespace hs::metrics {
namespace {

TEST(Metrics, LabelsAreTakenApartAsTheyWereWritten) {
  const std::string hostile = "a\"b\\c\nd,e=\"f\"";
  const auto labels = parse_labels("x=\"1\",y=\"" + escape_label(hostile) + "\",z=\"\"");
  ASSERT_EQ(labels.size(), 3u);
  EXPECT_EQ(labels[0], std::pair(std::string("x"), std::string("1")));
  EXPECT_EQ(labels[1].second, hostile);
  EXPECT_EQ(labels[2].second, "");
  EXPECT_TRUE(parse_labels("").empty());
}

TEST(Metrics, AHistogramIsOneFamilyWithItsBucketsInOrder) {
  add_collector([](std::vector<Sample>& out) {
    for (const char* le : {"2", "10", "+Inf"})
      out.push_back({"test_seconds_bucket", "what for", "histogram", std::string("le=\"") + le + "\"", 1});
    out.push_back({"test_seconds_sum", "what for", "histogram", "", 3});
    out.push_back({"test_seconds_count", "what for", "histogram", "", 1});
  });
  const std::string page = exposition();
  const size_t at = page.find("# HELP test_seconds what for\n# TYPE test_seconds histogram\n");
  ASSERT_NE(at, page.npos);
  EXPECT_EQ(page.substr(at).find("# TYPE test_seconds_"), page.npos);
  EXPECT_LT(page.find("le=\"2\""), page.find("le=\"10\""));
}

}  // namespace
}  // namespace hs::metrics
