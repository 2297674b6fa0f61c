#pragma once
// How many samples all queries of a process may hold together: each has its own bound, but not each at once may reach
// it.

#include <atomic>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace hs::promql {

// What a query is told that finds no room.
inline constexpr std::string_view no_room_text =
    "all queries together would load too many samples into memory (prometheus.total_samples); try again";

// Thread-safe.
class Budget {
 public:
  explicit Budget(size_t samples_max) : max_(samples_max) {}
  void set_max(size_t samples_max) { max_ = samples_max; }  // for what is asked for later
  size_t used() const { return used_; }

  bool take(size_t samples);
  void give_back(size_t samples) { used_ -= samples; }

 private:
  std::atomic<size_t> used_{0}, max_;
};

// One query's part: the most that it held at once, until it ends. One thread.
class Lease {
 public:
  // Without a budget there is always room.
  explicit Lease(std::shared_ptr<Budget> budget) : budget_(std::move(budget)) {}
  ~Lease() {
    if (budget_) budget_->give_back(held_);
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  // The query is about to hold so many; false: there is no room now.
  bool reach(size_t samples);

 private:
  static constexpr size_t step = 65'536;  // a megabyte: queries do not contend for one number at each series
  std::shared_ptr<Budget> budget_;
  size_t held_ = 0;
};

}  // namespace hs::promql
