#include "loop/explain/parts.h"

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "loop/detect/detector.h"
#include "loop/explain/explain.h"

namespace hs::loop {
namespace {

struct Answers {  // of one operation on one instance, each second
  double n = 10, error_share = 0, self_ms = 10;
};
using Behave = std::function<void(const std::string& operation, const std::string& instance, Answers& answers)>;

// A service `shop` with the operations buy, look and (rarely) audit on the instances 1 and 2, healthy for 200 s and
// then as told.
struct Shop {
  Detector detector;
  UnixNanos now = 0;
  int64_t second = 1'000;

  void run(int64_t seconds, const Behave& behave = {}) {
    for (const int64_t end = second + seconds; second < end; ++second) {
      stream::Frame frame{.tick = (second + 2) * nanos_per_s};
      for (const char* operation : {"buy", "look", "audit"})
        for (const char* instance : {"1", "2"}) {
          Answers a{.n = *operation == 'a' ? 0.02 : 10};
          if (behave) behave(operation, instance, a);
          add(frame, operation, instance, a);
        }
      now = frame.tick;
      detector.step(frame, {});
    }
  }
  std::vector<Cause> causes() const {
    const auto why = explain(detector, detector.active(), {}, now);
    EXPECT_EQ(why.size(), 1U) << "one fault, one explanation";
    return why.empty() ? std::vector<Cause>(3) : why[0].causes;
  }

 private:
  void add(stream::Frame& frame, const std::string& operation, const std::string& instance, const Answers& a) const {
    stream::Cell c{.second = second, .service = "shop", .operation = operation, .instance = instance};
    const double n = a.n < 1 ? (std::fmod(static_cast<double>(second) * a.n, 1) < a.n ? 1 : 0) : a.n;
    c.count = n, c.spans = static_cast<uint32_t>(n);
    c.errors = c.own_errors = n * a.error_share, c.self_ms = n * a.self_ms;
    for (int i = 0; i < static_cast<int>(n); ++i) c.duration_ms.add(a.self_ms);
    if (n > 0) frame.cells.push_back(c);
  }
};

TEST(Parts, an_operation_that_fails_alone_is_named_and_its_service_follows) {
  Shop shop;
  shop.run(200);
  shop.run(12, [](const std::string& operation, const std::string&, Answers& a) {
    if (operation == "buy") a.error_share = 0.3;
  });
  const auto causes = shop.causes();
  EXPECT_EQ(causes[0].entity, "operation:shop/buy");
  EXPECT_EQ(causes[0].service, "shop");
  EXPECT_EQ(causes[0].operation, "buy");
  EXPECT_EQ(causes[0].kind, "errors");
  EXPECT_EQ(causes[1].entity, "service:shop");
  EXPECT_GT(causes[0].probability + causes[1].probability, 0.95);
  EXPECT_NE(causes[0].evidence.at(0).says.find("shop buy"), std::string::npos) << causes[0].evidence[0].says;
}

TEST(Parts, an_operation_that_is_slow_alone_is_named) {
  Shop shop;
  shop.run(200);
  shop.run(12, [](const std::string& operation, const std::string&, Answers& a) {
    if (operation == "look") a.self_ms = 90;
  });
  EXPECT_EQ(shop.causes()[0].entity, "operation:shop/look");
  EXPECT_EQ(shop.causes()[0].kind, "slow");
}

TEST(Parts, a_service_that_is_ill_as_a_whole_stays_first) {
  for (const bool slow : {false, true}) {
    Shop shop;
    shop.run(200);
    shop.run(12, [&](const std::string& operation, const std::string&, Answers& a) {
      a.error_share = slow ? 0 : 0.3;
      if (slow) a.self_ms = operation == "buy" ? 90 : 40;  // not the same, and yet both
    });
    EXPECT_EQ(shop.causes()[0].entity, "service:shop");
  }
}

// The delay in ms is nearly all buy's, because its work is the longest; the factor is everybody's.
TEST(Parts, a_factor_on_everything_is_of_the_service) {
  const auto work = [](double factor) {
    return [factor](const std::string& operation, const std::string&, Answers& a) {
      a.self_ms = factor * (operation == "buy" ? 100 : 2);
    };
  };
  Shop shop;
  shop.run(200, work(1));
  shop.run(12, work(4));
  EXPECT_EQ(shop.causes()[0].entity, "service:shop");
}

TEST(Parts, where_the_others_are_hardly_asked_nothing_tells_the_operation_from_the_service) {
  const auto mostly = [](double error_share) {
    return [error_share](const std::string& operation, const std::string&, Answers& a) {
      if (operation == "look") a.n = 0.02;
      if (operation == "buy") a.error_share = error_share;
    };
  };
  Shop shop;
  shop.run(200, mostly(0));
  shop.run(12, mostly(0.3));
  EXPECT_EQ(shop.causes()[0].entity, "service:shop");
}

TEST(Parts, an_operation_that_answers_no_more_is_named) {
  Shop shop;
  shop.run(200);
  shop.run(20, [](const std::string& operation, const std::string&, Answers& a) {
    if (operation == "buy") a.n = 0;
  });
  const auto causes = shop.causes();
  EXPECT_EQ(causes[0].entity, "operation:shop/buy");
  EXPECT_EQ(causes[0].kind, "down");
}

TEST(Parts, one_instance_of_two_is_named_before_all_else) {
  Shop shop;
  shop.run(200);
  shop.run(12, [](const std::string&, const std::string& instance, Answers& a) {
    if (instance == "2") a.error_share = 0.4;
  });
  EXPECT_EQ(shop.causes()[0].entity, "instance:shop/2");
  EXPECT_EQ(shop.causes()[0].instance, "2");
}

TEST(Parts, an_instance_is_silent_only_when_nobody_came_in_its_place) {
  for (const bool replaced : {false, true}) {
    Shop shop;
    shop.run(200);
    const int64_t from = shop.second;
    shop.run(20, [&](const std::string&, const std::string& instance, Answers& a) {
      if (instance == "2") a.n = 0;
    });
    stream::Frame frame{.tick = shop.now + nanos_per_s};
    stream::Cell newcomer{.second = shop.second, .service = "shop", .operation = "buy", .instance = "3"};
    newcomer.count = 10;
    if (replaced) frame.cells.push_back(newcomer);
    shop.detector.step(frame, {});
    const std::string found = silent_instance(shop.detector.history(), "shop", {from, shop.second});
    EXPECT_EQ(found, replaced ? "" : "2");
  }
}

}  // namespace
}  // namespace hs::loop
