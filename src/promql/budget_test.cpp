#include "promql/budget.h"

#include <gtest/gtest.h>

#include "promql/engine.h"

namespace hs::promql {
namespace {

constexpr size_t step = 65'536;

TEST(Budget, QueriesTogetherStayBelowIt) {
  const auto budget = std::make_shared<Budget>(3 * step);
  Lease a(budget);
  EXPECT_TRUE(a.reach(1));
  EXPECT_EQ(budget->used(), step);
  EXPECT_TRUE(a.reach(step));
  EXPECT_TRUE(a.reach(step + 1));
  EXPECT_TRUE(a.reach(10));  // what it held at most counts
  EXPECT_EQ(budget->used(), 2 * step);
  {
    Lease b(budget);
    EXPECT_TRUE(b.reach(step));
    EXPECT_FALSE(b.reach(step + 1));
    EXPECT_FALSE(a.reach(2 * step + 1));
  }
  EXPECT_TRUE(a.reach(2 * step + 1));  // another's end makes room
  budget->set_max(step);
  Lease c(budget);
  EXPECT_FALSE(c.reach(1));
}

class Many : public Source {
 public:
  explicit Many(const Budget& budget) : budget_(budget) {}
  Result<Selection> select(const Select& select) const override {
    Selection out;
    for (int i = 0; i < 10; ++i) {
      Series s;
      s.labels = Labels::from({{"__name__", "x"}, {"i", std::to_string(i)}});
      for (int t = 0; t < 20'000; ++t) s.floats.push_back({t, 1});
      out.series.push_back(std::move(s));
    }
    if (!select.lease->reach(200'000)) return fail(Code::unavailable, std::string(no_room_text));
    seen = budget_.used();
    return out;
  }
  mutable size_t seen = 0;

 private:
  const Budget& budget_;
};

TEST(Budget, AQueryWithoutRoomIsRefusedAndGivesBackWhatItHeld) {
  const auto budget = std::make_shared<Budget>(4 * step);
  const Many source(*budget);
  Options options;
  options.budget = budget;
  const Query query{.text = "sum(count_over_time(x[20s]))", .start_ms = 20'000, .end_ms = 20'000};
  EXPECT_TRUE(evaluate(source, query, options));
  EXPECT_GE(source.seen, 200'000U);
  EXPECT_EQ(budget->used(), 0U);
  Lease other(budget);
  EXPECT_TRUE(other.reach(step));
  const auto refused = evaluate(source, query, options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::timeout);  // 503: it may be asked again
  EXPECT_EQ(http_status(refused.error().kind), 503);
  EXPECT_EQ(budget->used(), step);
}

}  // namespace
}  // namespace hs::promql
