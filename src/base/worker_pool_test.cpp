#include "base/worker_pool.h"

#include <latch>

#include <gtest/gtest.h>

namespace hs {
namespace {

TEST(WorkerPool, FinishesWhatItAccepted) {
  std::atomic<int> done = 0;
  {
    WorkerPool pool(2, 100);
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(pool.submit([&] { ++done; }));
  }
  EXPECT_EQ(done, 50);
}

TEST(WorkerPool, RefusesBeyondItsBound) {
  std::latch release(1), busy(1);
  WorkerPool pool(1, 1);
  ASSERT_TRUE(pool.submit([&] {
    busy.count_down();
    release.wait();
  }));
  busy.wait();
  EXPECT_TRUE(pool.submit([] {}));
  int status = 0;
  std::string retry;
  const auto handler = http::answer_on(pool, [](const http::Request&) { return http::Response::text(200, "x"); });
  handler({}, [&](const http::Response& r) {
    status = r.status;
    retry = r.headers.get("Retry-After");
  });
  EXPECT_EQ(status, 503);
  EXPECT_EQ(retry, "1");
  release.count_down();
}

TEST(WorkerPool, ACallerThatLeftCostsNothing) {
  std::stop_source gone;
  gone.request_stop();
  http::Request request;
  request.gone = gone.get_token();
  std::atomic<int> ran = 0, answered = 0;
  {
    WorkerPool pool(1, 1);
    const auto handler = http::answer_on(pool, [&](const http::Request&) {
      ++ran;
      return http::Response::text(200, "x");
    });
    handler(std::move(request), [&](const http::Response&) { ++answered; });
  }
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(answered, 1);
}

}  // namespace
}  // namespace hs
