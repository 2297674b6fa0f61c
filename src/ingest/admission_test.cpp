#include "ingest/admission.h"

#include <gtest/gtest.h>

#include "ingest/retry_window.h"

namespace hs::ingest {
namespace {

Status enter(Admission& admission, Admission::Account& account, const Admission::Ask& ask, uint64_t journal_used) {
  std::string_view reason;
  Status status = admission.enter(account, ask, journal_used, reason);
  EXPECT_EQ(status.has_value(), reason.empty());
  return status;
}

// A tenant sends until it is refused; returns how much it got.
uint64_t flood(Admission& admission, const std::string& tenant, uint64_t bytes) {
  uint64_t got = 0;
  Admission::Account& account = admission.account(tenant);
  while (enter(admission, account, {bytes, bytes}, 0)) got += bytes;
  return got;
}

TEST(Admission, ANoisyTenantLeavesRoomForOthers) {
  Admission admission({.in_flight_bytes = 1000, .in_flight_requests = 1000, .journal_bytes = 1 << 20});
  const uint64_t noisy = flood(admission, "noisy", 10);
  EXPECT_GT(noisy, 600U);
  EXPECT_LT(noisy, 700U);
  const uint64_t second = flood(admission, "second", 10);
  EXPECT_GT(second, 150U);
  EXPECT_GT(flood(admission, "third", 10), 50U);
  // As the noisy one's requests leave, it may not take all of the room again.
  Admission::Account& account = admission.account("noisy");
  for (int i = 0; i < 20; ++i) admission.leave(account, {10, 10});
  EXPECT_GT(flood(admission, "second", 10), 0U);
}

TEST(Admission, EveryBoundHasItsOwnAnswer) {
  Admission admission({.in_flight_bytes = 100, .in_flight_requests = 8, .journal_bytes = 500});
  Admission::Account& a = admission.account("a");
  const auto refusal = [&](Admission::Ask ask, uint64_t journal_used) {
    const Status status = enter(admission, a, ask, journal_used);
    return status ? Error{} : status.error();
  };
  Error error = refusal({10, 10}, 495);
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_NE(error.message.find("journal.max_bytes"), std::string::npos);
  EXPECT_GT(error.retry_after_ms, 0);

  ASSERT_TRUE(enter(admission, a, {10, 150}, 0));
  error = refusal({1000, 10}, 0);
  EXPECT_NE(error.message.find("ingest.in_flight_max"), std::string::npos);
  EXPECT_EQ(error.code, Code::resource_exhausted);
  error = refusal({10, 10, 19}, 0);
  EXPECT_NE(error.message.find("19 bytes of this tenant wait for the disk (limits.in_flight)"), std::string::npos);
  EXPECT_TRUE(enter(admission, a, {10, 10, 20}, 0));
}

TEST(Admission, OneRequestLargerThanTheBoundMayPassAlone) {
  Admission admission({.in_flight_bytes = 100, .in_flight_requests = 8, .journal_bytes = 5000});
  Admission::Account& a = admission.account("a");
  ASSERT_TRUE(enter(admission, a, {1000, 1000}, 0));
  EXPECT_FALSE(enter(admission, a, {1, 1}, 0));
  admission.leave(a, {1000, 1000});
  EXPECT_TRUE(enter(admission, a, {1, 1}, 0));
}

TEST(Admission, TheJournalIsSharedFairlyTooWhileTheEngineIsDown) {
  Admission admission({.in_flight_bytes = 1000, .in_flight_requests = 100, .journal_bytes = 900});
  Admission::Account& noisy = admission.account("noisy");
  uint64_t used = 0;
  while (enter(admission, noisy, {10, 10}, used)) {
    admission.hold(noisy, 10);
    admission.leave(noisy, {10, 10});
    used += 10;
  }
  EXPECT_EQ(used, 800U);
  EXPECT_TRUE(enter(admission, admission.account("quiet"), {10, 10}, used));
  admission.release(noisy, 400);
  EXPECT_TRUE(enter(admission, noisy, {10, 10}, used - 400));
}

TEST(Admission, AccountsAreBounded) {
  Admission admission({.in_flight_bytes = 1 << 20, .in_flight_requests = 100'000, .journal_bytes = 1 << 20});
  for (int i = 0; i < 5000; ++i)
    ASSERT_TRUE(enter(admission, admission.account(std::to_string(i)), {1, 1}, 0));  // all hold something
  Admission::Account& late = admission.account("late");
  EXPECT_EQ(&late, &admission.account("later"));
  Admission idle({.in_flight_bytes = 1 << 20, .in_flight_requests = 100'000, .journal_bytes = 1 << 20});
  for (int i = 0; i < 5000; ++i) idle.account(std::to_string(i));
  EXPECT_NE(&idle.account("late"), &idle.account("later"));
}

TEST(RetryWindow, ForgetsByAgeAndByNumber) {
  RetryWindow window(1000, 3);
  for (uint64_t i = 0; i < 3; ++i) {
    window.begin({i, i});
    window.settle({i, i}, true, static_cast<int64_t>(i) * 100 * nanos_per_ms);
  }
  EXPECT_EQ(window.find({0, 0}, 900 * nanos_per_ms), RetryWindow::Seen::durable);
  EXPECT_EQ(window.find({0, 0}, 1001 * nanos_per_ms), RetryWindow::Seen::never);
  EXPECT_EQ(window.find({1, 1}, 1001 * nanos_per_ms), RetryWindow::Seen::durable);
  for (uint64_t i = 10; i < 20; ++i) window.restore({{i, i}, 900 * nanos_per_ms});
  EXPECT_EQ(window.size(), 3U);
  EXPECT_EQ(window.find({1, 1}, 900 * nanos_per_ms), RetryWindow::Seen::never);
  EXPECT_EQ(window.find({19, 19}, 900 * nanos_per_ms), RetryWindow::Seen::durable);
}

TEST(RetryWindow, AFailureIsForgottenAtOnceAndToldToAll) {
  RetryWindow window(1000, 3);
  window.begin({1, 1});
  EXPECT_EQ(window.find({1, 1}, 0), RetryWindow::Seen::in_flight);
  window.wait({1, 1}, [](const Status&) {});
  window.wait({1, 1}, [](const Status&) {});
  EXPECT_EQ(window.waiting(), 2U);
  EXPECT_EQ(window.settle({1, 1}, false, 0).size(), 2U);
  EXPECT_EQ(window.waiting(), 0U);
  EXPECT_EQ(window.find({1, 1}, 0), RetryWindow::Seen::never);
}

TEST(RetryWindow, ASnapshotHoldsWhatCounts) {
  RetryWindow window(1000, 10);
  window.restore({{1, 1}, 5});
  window.restore({{1, 1}, 7});  // the same again, later
  window.restore({{2, 2}, 9});
  const auto seen = parse_seen(window.snapshot(10));
  ASSERT_EQ(seen->size(), 2U);
  EXPECT_EQ(seen->at(0).at, 7);
  RetryWindow other(1000, 10);
  for (const SeenRequest& s : *seen) other.restore(s);
  EXPECT_EQ(other.find({2, 2}, 10), RetryWindow::Seen::durable);
  EXPECT_EQ(parse_seen(window.snapshot(2000 * nanos_per_ms))->size(), 0U);
}

}  // namespace
}  // namespace hs::ingest
