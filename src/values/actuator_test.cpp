#include "values/actuator.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "io/files.h"

namespace hs::values {
namespace {

using config::Knob;
using config::KnobScope;
using config::KnobType;

Knob timeout_knob() {
  Knob k;
  k.key = "checkout.timeout_ms";
  k.type = KnobType::integer;
  k.base = int64_t{500};
  k.min = 100;
  k.max = 2000;
  k.step = 50;
  k.services = {"checkout"};
  return k;
}

Knob provider_knob() {
  Knob k;
  k.key = "payment.provider";
  k.type = KnobType::string;
  k.base = std::string("a");
  k.variants = {std::string("a"), std::string("b")};
  k.services = {"payment"};
  return k;
}

Change raise(int64_t value, double exposure = 0.2) {
  return {"chg-1", "checkout.timeout_ms", value, exposure, "", 10'000};
}

class Actuating : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "hs-values-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    actuator_ = std::make_unique<Actuator>(dir_, clock_, random_);
    ASSERT_TRUE(actuator_->declare(std::vector{timeout_knob(), provider_knob()}));
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  // As the serving process does: only the file, the clock and the boot.
  Answer ask(std::string_view key, Context context = {"user-1", "", ""}) {
    state_ = decode(io::read_file(dir_ + "/state.json", state_bytes_max).value()).value();
    return evaluate(*state_.find(key), context, clock_.mono(), io::boot_id());
  }
  std::string seen(std::string_view key) {
    const Answer a = ask(key);
    return config::to_text(*a.value) + " " + std::string(name_of(a.variant));
  }

  io::SimClock clock_{1'700'000'000'000'000'000};
  io::SeededRandom random_{7};
  std::string dir_;
  State state_;
  std::unique_ptr<Actuator> actuator_;
};

TEST_F(Actuating, CandidateIsTheBaseAgainWithoutAnyWriter) {
  const auto receipt = actuator_->apply(raise(1000, 1));
  ASSERT_TRUE(receipt) << receipt.error().message;
  EXPECT_EQ(receipt->previous, config::Value(int64_t{500}));
  EXPECT_EQ(seen("checkout.timeout_ms"), "1000 candidate");
  EXPECT_EQ(ask("checkout.timeout_ms").revision, receipt->revision);
  clock_.advance(10'000 * nanos_per_ms - 1);
  EXPECT_EQ(seen("checkout.timeout_ms"), "1000 candidate");
  clock_.advance(1);
  EXPECT_EQ(seen("checkout.timeout_ms"), "500 base");
  EXPECT_LT(ask("checkout.timeout_ms").revision, receipt->revision);
}

TEST_F(Actuating, WallClockJumpsDoNotMoveALease) {
  ASSERT_TRUE(actuator_->apply(raise(1000, 1)));
  clock_.set_wall(clock_.wall() - 3'600 * nanos_per_s);
  clock_.advance(10 * nanos_per_s);
  EXPECT_EQ(seen("checkout.timeout_ms"), "500 base");
}

TEST_F(Actuating, AnotherBootHasNoCandidates) {
  ASSERT_TRUE(actuator_->apply(raise(1000, 1)));
  State state = actuator_->state().value();
  KnobState& knob = *state.find("checkout.timeout_ms");
  EXPECT_EQ(evaluate(knob, {}, clock_.mono(), "another boot").variant, Variant::base);
  knob.candidate->deadline = clock_.mono() + (lease_ms_max + 1) * nanos_per_ms;  // no lease is that long
  EXPECT_EQ(evaluate(knob, {}, clock_.mono(), io::boot_id()).variant, Variant::base);
}

TEST_F(Actuating, RenewKeepsItAndNeverRevivesIt) {
  ASSERT_TRUE(actuator_->apply(raise(1000, 1)));
  const std::vector<std::string> ids = {"chg-1", "chg-unknown"};
  clock_.advance(9 * nanos_per_s);
  EXPECT_EQ(actuator_->renew(ids, 10'000).value(), std::vector<std::string>{"chg-unknown"});
  clock_.advance(9 * nanos_per_s);
  EXPECT_EQ(seen("checkout.timeout_ms"), "1000 candidate");
  clock_.advance(1 * nanos_per_s);
  EXPECT_EQ(actuator_->renew(ids, 10'000).value(), ids);
  EXPECT_EQ(seen("checkout.timeout_ms"), "500 base");
  EXPECT_EQ(actuator_->promote("chg-1").error().code, Code::conflict);
  EXPECT_EQ(actuator_->apply(raise(1000, 0.5)).error().code, Code::conflict);
}

TEST_F(Actuating, PromotedStaysUntilReverted) {
  ASSERT_TRUE(actuator_->apply(raise(1000, 0.2)));
  const auto promoted = actuator_->promote("chg-1");
  ASSERT_TRUE(promoted);
  clock_.advance(3'600 * nanos_per_s);
  EXPECT_EQ(seen("checkout.timeout_ms"), "1000 promoted");
  EXPECT_EQ(actuator_->promoted().value().size(), 1U);
  // A later candidate falls back to the promoted value, not to the base.
  Change second = raise(2000, 1);
  second.id = "chg-2";
  ASSERT_TRUE(actuator_->apply(second));
  EXPECT_EQ(seen("checkout.timeout_ms"), "2000 candidate");
  ASSERT_TRUE(actuator_->revert("chg-2"));
  EXPECT_EQ(seen("checkout.timeout_ms"), "1000 promoted");
  const auto reverted = actuator_->revert("chg-1");
  ASSERT_TRUE(reverted);
  EXPECT_EQ(reverted->previous, config::Value(int64_t{1000}));
  EXPECT_EQ(seen("checkout.timeout_ms"), "500 base");
  EXPECT_EQ(actuator_->revert("chg-1").error().code, Code::not_found);
}

TEST_F(Actuating, PromotingTheBaseValueLeavesNothingPromoted) {
  ASSERT_TRUE(actuator_->apply(raise(1000)));
  ASSERT_TRUE(actuator_->promote("chg-1"));
  Change back = raise(500);
  back.id = "chg-2";
  ASSERT_TRUE(actuator_->apply(back));
  const auto receipt = actuator_->promote("chg-2");
  ASSERT_TRUE(receipt);
  EXPECT_EQ(seen("checkout.timeout_ms"), "500 base");
  EXPECT_EQ(ask("checkout.timeout_ms").revision, receipt->revision);
}

TEST_F(Actuating, RefusesWhatIsNotDeclared) {
  EXPECT_EQ(actuator_->apply(raise(50)).error().code, Code::permission_denied);    // below the least
  EXPECT_EQ(actuator_->apply(raise(2050)).error().code, Code::permission_denied);  // above the greatest
  EXPECT_EQ(actuator_->apply(raise(110)).error().code, Code::permission_denied);   // off the steps
  Change change = raise(1000);
  change.value = std::string("1000");
  EXPECT_EQ(actuator_->apply(change).error().code, Code::permission_denied);  // of another type
  change = {"chg-1", "payment.provider", std::string("c"), 0.2, "", 10'000};
  EXPECT_EQ(actuator_->apply(change).error().code, Code::permission_denied);  // no variant
  change.knob = "payment.undeclared";
  EXPECT_EQ(actuator_->apply(change).error().code, Code::not_found);
  for (const double exposure : {0.0, -0.1, 1.01, std::nan("")})
    EXPECT_EQ(actuator_->apply(raise(1000, exposure)).error().code, Code::invalid_argument);
  change = raise(1000);
  change.lease_ms = lease_ms_max + 1;
  EXPECT_EQ(actuator_->apply(change).error().code, Code::invalid_argument);
  EXPECT_TRUE(actuator_->in_flight().value().empty());
}

TEST_F(Actuating, OneChangeAtATimePerService) {
  ASSERT_TRUE(actuator_->apply(raise(1000)));
  Knob other = timeout_knob();
  other.key = "checkout.retries";
  Knob everywhere = timeout_knob();
  everywhere.key = "log.level";
  everywhere.services = {"checkout", "payment"};
  ASSERT_TRUE(actuator_->declare(std::vector{timeout_knob(), provider_knob(), other, everywhere}));
  EXPECT_EQ(actuator_->apply({"chg-2", "checkout.retries", int64_t{600}, 0.2, "", 10'000}).error().code,
            Code::conflict);
  EXPECT_EQ(actuator_->apply({"chg-2", "log.level", int64_t{600}, 0.2, "", 10'000}).error().code, Code::conflict);
  EXPECT_TRUE(actuator_->apply({"chg-2", "log.level", int64_t{600}, 0.2, "payment", 10'000}));
  clock_.advance(10 * nanos_per_s);  // an expired one is in nobody's way
  EXPECT_TRUE(actuator_->apply({"chg-3", "checkout.retries", int64_t{600}, 0.2, "", 10'000}));
}

TEST_F(Actuating, OneInstanceIsFirst) {
  Knob knob = timeout_knob();
  knob.scope = config::KnobScope::instance;
  ASSERT_TRUE(actuator_->declare(std::vector{knob, provider_knob()}));
  Change change = raise(1000, 0.5);
  change.instance = "checkout-2";
  const auto first = actuator_->apply(change);
  ASSERT_TRUE(first);
  const auto has = [&](std::string_view instance) {
    return ask("checkout.timeout_ms", {"", instance, "checkout"}).variant == Variant::candidate;
  };
  EXPECT_TRUE(has("checkout-2"));
  EXPECT_FALSE(has("checkout-1") || has(""));
  change.instance = "checkout-1";
  EXPECT_EQ(actuator_->apply(change).error().code, Code::conflict);  // the treated only become more
  change.instance = "", change.exposure = 1;
  const auto all = actuator_->apply(change);
  ASSERT_TRUE(all);
  EXPECT_GT(all->revision, first->revision);
  EXPECT_TRUE(has("checkout-1") && has("checkout-2") && has(""));
  Change users{"chg-2", "payment.provider", std::string("b"), 0.5, "", 10'000};
  users.instance = "payment-1";
  EXPECT_EQ(actuator_->apply(users).error().code, Code::invalid_argument);  // it is decided for each request
}

TEST_F(Actuating, ARampOnlyAddsToTheTreated) {
  ASSERT_TRUE(actuator_->apply(raise(1000, 0.1)));
  std::vector<std::string> treated;
  const auto is_treated = [&](const std::string& user) {
    return ask("checkout.timeout_ms", {user, "", ""}).variant == Variant::candidate;
  };
  for (int i = 0; i < 200; ++i)
    if (is_treated("user-" + std::to_string(i))) treated.push_back("user-" + std::to_string(i));
  EXPECT_GT(treated.size(), 5U);
  EXPECT_LT(treated.size(), 40U);
  const int64_t first = ask("checkout.timeout_ms").revision;
  ASSERT_TRUE(actuator_->apply(raise(1000, 0.5)));
  EXPECT_GT(ask("checkout.timeout_ms").revision, first);
  for (const std::string& user : treated) EXPECT_TRUE(is_treated(user)) << user;
}

TEST_F(Actuating, ApplyIsIdempotentById) {
  const auto first = actuator_->apply(raise(1000)).value();
  EXPECT_EQ(actuator_->apply(raise(1000)).value().revision, first.revision);
  EXPECT_EQ(actuator_->apply(raise(1050)).error().code, Code::conflict);  // the same id with another value
  ASSERT_TRUE(actuator_->promote("chg-1"));
  EXPECT_EQ(actuator_->apply(raise(1000)).error().code, Code::conflict);  // made before
}

TEST_F(Actuating, ARestartFindsWhatIsInFlight) {
  const auto made = actuator_->apply(raise(1000, 0.5)).value();
  clock_.advance(4 * nanos_per_s);
  Actuator after(dir_, clock_, random_);
  ASSERT_TRUE(after.declare(std::vector{timeout_knob(), provider_knob()}));
  const auto found = after.in_flight().value();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].change, "chg-1");
  EXPECT_EQ(found[0].revision, made.revision);
  EXPECT_EQ(found[0].value, config::Value(int64_t{1000}));
  EXPECT_EQ(found[0].previous, config::Value(int64_t{500}));
  EXPECT_EQ(found[0].lease_left_ms, 6'000);
  clock_.advance(6 * nanos_per_s);
  EXPECT_EQ(after.in_flight().value().at(0).lease_left_ms, 0);
  EXPECT_TRUE(after.revert("chg-1"));
  EXPECT_TRUE(after.in_flight().value().empty());
}

TEST_F(Actuating, ANewBaseGetsARevisionAndDropsOnlyWhatIsNoLongerAllowed) {
  ASSERT_TRUE(actuator_->apply(raise(2000)));
  ASSERT_TRUE(actuator_->promote("chg-1"));
  const int64_t before = actuator_->state().value().revision;
  Knob knob = timeout_knob();
  knob.base = int64_t{600};
  EXPECT_TRUE(actuator_->declare(std::vector{knob, provider_knob()}).value().empty());
  EXPECT_EQ(seen("checkout.timeout_ms"), "2000 promoted");
  EXPECT_EQ(actuator_->state().value().revision, before + 1);
  knob.max = 1000;
  EXPECT_EQ(actuator_->declare(std::vector{knob, provider_knob()}).value().size(), 1U);
  EXPECT_EQ(seen("checkout.timeout_ms"), "600 base");
  EXPECT_TRUE(actuator_->declare(std::vector{knob}));
  EXPECT_EQ(actuator_->state().value().find("payment.provider"), nullptr);
}

TEST_F(Actuating, DeclaringTheSameWritesNothing) {
  const io::FileStamp before = io::stamp_of(dir_ + "/state.json");
  EXPECT_TRUE(actuator_->declare(std::vector{timeout_knob(), provider_knob()}));
  EXPECT_EQ(io::stamp_of(dir_ + "/state.json"), before);
}

TEST_F(Actuating, ABrokenFileIsSetAsideAndItsPredecessorUsed) {
  ASSERT_TRUE(actuator_->apply(raise(1000)));
  ASSERT_TRUE(actuator_->promote("chg-1"));
  ASSERT_TRUE(actuator_->apply({"chg-2", "payment.provider", std::string("b"), 0.2, "", 10'000}));
  const int64_t before = actuator_->state().value().revision;
  ASSERT_TRUE(io::replace_file(dir_ + "/state.json", "{\"format\":", 0600, io::Durable::name));
  EXPECT_FALSE(actuator_->apply(raise(1000)));
  EXPECT_EQ(actuator_->declare(std::vector{timeout_knob(), provider_knob()}).value().size(), 1U);
  EXPECT_EQ(seen("checkout.timeout_ms"), "1000 promoted");
  EXPECT_GT(actuator_->state().value().revision, before);
  EXPECT_TRUE(std::filesystem::exists(dir_ + "/state.json.broken"));
}

TEST_F(Actuating, RevisionsGoOnAboveWhatTheLedgerKnows) {
  std::filesystem::remove_all(dir_);
  Actuator anew(dir_, clock_, random_, 41);
  ASSERT_TRUE(anew.declare(std::vector{timeout_knob()}));
  EXPECT_EQ(anew.state().value().find("checkout.timeout_ms")->base_revision, 42);
}

TEST_F(Actuating, RevertAllAndReset) {
  ASSERT_TRUE(actuator_->apply(raise(1000)));
  ASSERT_TRUE(actuator_->promote("chg-1"));
  ASSERT_TRUE(actuator_->apply({"chg-2", "payment.provider", std::string("b"), 1, "", 10'000}));
  EXPECT_EQ(actuator_->revert_all(Actuator::Extent::candidates).value().size(), 1U);
  EXPECT_EQ(seen("payment.provider"), "a base");
  EXPECT_EQ(seen("checkout.timeout_ms"), "1000 promoted");
  EXPECT_EQ(actuator_->revert_all(Actuator::Extent::candidates_and_promoted).value().size(), 1U);
  EXPECT_EQ(seen("checkout.timeout_ms"), "500 base");
  EXPECT_EQ(actuator_->reset("checkout.timeout_ms").value().change, "");
  EXPECT_EQ(actuator_->reset("none").error().code, Code::not_found);
}

}  // namespace
}  // namespace hs::values
