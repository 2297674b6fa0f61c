#include "base/worker_pool.h"

#include <memory>

namespace hs {

WorkerPool::WorkerPool(int threads, size_t waiting_max) : waiting_(waiting_max) {
  for (int i = 0; i < threads; ++i)
    threads_.emplace_back([this] {
      while (auto work = waiting_.pop()) (*work)();
    });
}

WorkerPool::~WorkerPool() {
  waiting_.close();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::submit(std::function<void()> work) { return waiting_.try_push(std::move(work)); }

namespace http {

Handler answer_on(WorkerPool& pool, std::function<Response(const Request&)> f) {
  const auto shared = std::make_shared<const std::function<Response(const Request&)>>(std::move(f));
  return [&pool, shared](Request request, const Done& done) {
    auto work = [shared, done, request = std::make_shared<const Request>(std::move(request))] {
      if (request->gone.stop_requested()) return done(Response::error({Code::unavailable, "the client has gone"}));
      done((*shared)(*request));
    };
    if (!pool.submit(std::move(work)))
      done(Response::error({Code::unavailable, "too many requests are waiting; try again", 1000}));
  };
}

}  // namespace http
}  // namespace hs
