#pragma once
// The only queue between threads: it has a bound, and what happens at the bound is the caller's choice.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>

namespace hs {

// Many producers, many consumers. After close(), pushes are refused and pops drain what is left, then return nothing.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  // False when full or closed: the caller refuses or sheds, and counts it.
  bool try_push(T item) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || items_.size() >= capacity_) return false;
      items_.push_back(std::move(item));
    }
    ready_.notify_one();
    return true;
  }

  // Makes room by dropping the oldest item. Returns how many were dropped (0 or 1).
  size_t push_shedding_oldest(T item) {
    size_t shed = 0;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return 0;
      if (items_.size() >= capacity_) {
        items_.pop_front();
        shed = 1;
      }
      items_.push_back(std::move(item));
    }
    ready_.notify_one();
    return shed;
  }

  // Waits for an item; nothing once closed and drained.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return closed_ || !items_.empty(); });
    return take(lock);
  }

  // As pop(), but gives up after `timeout_ms`.
  std::optional<T> pop_for(int64_t timeout_ms) {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return closed_ || !items_.empty(); });
    return take(lock);
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    ready_.notify_all();
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  size_t size() const {
    const std::lock_guard lock(mutex_);
    return items_.size();
  }

 private:
  std::optional<T> take(std::unique_lock<std::mutex>&) {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }

  const size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace hs
