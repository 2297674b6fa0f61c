#include "api/console/console.h"

#include <gtest/gtest.h>

namespace hs::api::console {
namespace {

TEST(Console, IsOnePageWithoutAnythingFromElsewhere) {
  const std::string text = page();
  EXPECT_EQ(text.find("{{"), std::string::npos);
  EXPECT_NE(text.find("</html>"), std::string::npos);
  for (const char* foreign : {"https://", "src=", "@import", "url("})
    EXPECT_EQ(text.find(foreign), std::string::npos) << foreign;
  // The only address is the name of the SVG dialect, which is never fetched.
  EXPECT_EQ(text.find("http://"), text.find("http://www.w3.org/2000/svg"));
}

TEST(Console, TextNeverBecomesMarkup) {
  const std::string text = page();
  for (const char* way : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(",
                          "DOMParser", "setAttribute('on", "javascript:"})
    EXPECT_EQ(text.find(way), std::string::npos) << way;
}

TEST(Console, AllowsOnlyItsOwnCode) {
  const std::string policy = content_security_policy();
  EXPECT_NE(policy.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(policy.find('*'), std::string::npos);
  http::Response response;
  routes().at(0).handler({}, [&](http::Response r) { response = std::move(r); });
  EXPECT_EQ(response.headers.get("Content-Security-Policy"), policy);
}

}  // namespace
}  // namespace hs::api::console
