#pragma once
// Threads for work that blocks: handlers run on connection threads, which must not (base/http_message.h).

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/http_message.h"

namespace hs {

class WorkerPool {
 public:
  // `waiting_max`: pieces of work that may wait for a thread; beyond it submit() refuses.
  WorkerPool(int threads, size_t waiting_max);
  ~WorkerPool();  // takes no more, finishes what was accepted
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  bool submit(std::function<void()> work);

 private:
  BoundedQueue<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
};

namespace http {
// A handler whose function may block: it runs on the pool, unless the client has gone meanwhile. When the pool is full
// it answers 503 with Retry-After. The pool must outlive the server that has the handler.
Handler answer_on(WorkerPool& pool, std::function<Response(const Request&)> f);
}  // namespace http

}  // namespace hs
