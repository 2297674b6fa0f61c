#include "promql/store/reader.h"

#include <gtest/gtest.h>

namespace hs::promql::store {
namespace {

// An engine that closes the connection, as it does when an answer takes too long.
class Closing : public io::Http {
 public:
  Result<http::Response> request(const io::Endpoint&, const io::HttpRequest&, const io::HttpLimits&) override {
    return fail(Code::unavailable, "the connection was closed in the middle of an answer");
  }
};

TEST(Reader, AnAnswerThatWasCutOffAfterTheDeadlineIsATimeout) {
  Closing http;
  db::Client client({}, http);
  const Reader reader{.client = client, .tenant = "", .cancel = {}, .timeout_ms = 100};
  Sql sql;
  sql.add("SELECT 1");
  Interrupt now = Interrupt::none;
  const auto ask = [&] {
    const auto each = [](const db::ResultBlock&, size_t) -> Status { return {}; };
    const Status answer = reader.each(sql, [&] { return now; }, each);
    EXPECT_FALSE(answer);
    return answer.error().code;
  };
  EXPECT_EQ(ask(), Code::unavailable);
  now = Interrupt::timeout;
  EXPECT_EQ(ask(), Code::deadline_exceeded);
  now = Interrupt::canceled;
  EXPECT_EQ(ask(), Code::deadline_exceeded);
}

}  // namespace
}  // namespace hs::promql::store
