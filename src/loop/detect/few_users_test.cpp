// One user's failures, again and again, against an outage: told apart by whose requests fail.

#include <functional>
#include <random>

#include <gtest/gtest.h>

#include "loop/detect/detector.h"

namespace hs::loop {
namespace {

constexpr int64_t begin_s = 1'000'000;

// One operation, asked 30 times a second by `users` users; `fails` decides by second and user.
struct Shop {
  uint64_t users = 400;
  double user_one_per_s = 0;  // requests of user 1 beside those
  bool named = true;          // evaluations name users
  bool whole = false;         // another knob is evaluated under one name for everybody
  std::function<bool(int, uint64_t)> fails = [](int, uint64_t) { return false; };
  Detector detector;
  std::mt19937_64 random{3};
  int second = 0;
  std::vector<std::string> said;

  void request(stream::Frame& f, stream::Cell& cell, uint64_t user) {
    stream::Outcome o{.second = cell.second, .trace = random(), .unit = user, .knob = "k"};
    o.service = cell.service, o.operation = cell.operation, o.error = fails(second, user);
    cell.count += 1, cell.spans += 1, cell.errors += o.error;
    cell.duration_ms.add(10);
    if (named) f.outcomes.push_back(o);
    o.knob = "other", o.unit = 77;
    if (whole) f.outcomes.push_back(o);
  }
  void run(int until) {
    for (; second < until; ++second) {
      stream::Frame f{.tick = (begin_s + second + 1) * nanos_per_s};
      stream::Cell cell{.second = begin_s + second, .service = "shop", .operation = "buy", .instance = "1"};
      for (int i = 0; i < 30; ++i) request(f, cell, random() % users + 2);
      for (int i = 0; i < static_cast<int>(user_one_per_s); ++i) request(f, cell, 1);
      f.cells = {cell};
      for (const Turn& turn : detector.step(f, {}))
        if (turn.started) said.push_back(turn.symptom.evidence);
    }
  }
};

TEST(FewUsers, one_user_who_tries_again_and_again_is_no_incident) {
  Shop shop;
  shop.run(150);
  shop.user_one_per_s = 8;
  shop.fails = [](int, uint64_t user) { return user == 1; };
  shop.run(165);
  shop.user_one_per_s = 0;
  shop.run(260);
  EXPECT_TRUE(shop.said.empty()) << shop.said[0];
}

TEST(FewUsers, without_names_the_same_is_one) {
  Shop shop{.named = false};
  shop.run(150);
  shop.user_one_per_s = 8;
  shop.fails = [](int, uint64_t user) { return user == 1; };
  shop.run(165);
  EXPECT_FALSE(shop.said.empty());
}

TEST(FewUsers, what_many_suffer_is_noticed_beside_it) {
  Shop shop;
  shop.run(150);
  shop.user_one_per_s = 8;
  shop.fails = [](int second, uint64_t user) { return user == 1 || (second >= 160 && user % 10 == 0); };
  shop.run(160);
  EXPECT_TRUE(shop.said.empty());
  shop.run(175);
  EXPECT_FALSE(shop.said.empty());
}

TEST(FewUsers, a_name_that_stands_for_everybody_hides_nothing) {
  for (const bool named : {true, false}) {
    Shop shop{.named = named, .whole = true};
    shop.run(150);
    shop.fails = [](int, uint64_t user) { return user % 3 == 0; };
    shop.run(160);
    EXPECT_FALSE(shop.said.empty()) << named;
  }
}

TEST(FewUsers, an_outage_for_everybody_is_one_however_few_they_are) {
  for (const uint64_t users : {1, 2, 12}) {
    Shop shop{.users = users};
    shop.run(150);
    shop.fails = [](int, uint64_t) { return true; };
    shop.run(160);
    EXPECT_FALSE(shop.said.empty()) << users;
  }
}

}  // namespace
}  // namespace hs::loop
