#pragma once
// What was really served: the loop's own observation, which no sender of telemetry can forge (DESIGN, law 3).

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "values/state.h"

namespace hs::values {

inline constexpr size_t served_entries_max = 20'000;        // two revisions of every knob that may be declared
inline constexpr size_t served_seconds_max = 60;            // a reader that polls each second may miss some
inline constexpr size_t served_second_entries_max = 2'000;  // per second: knobs really in use are tens
inline constexpr size_t served_report_bytes_max = 32UL << 20;

struct ServedCount {
  std::string knob;
  int64_t revision = 0;
  Variant variant = Variant::base;
  uint64_t count = 0;  // single evaluations: each is one decision of the application
  uint64_t bulk = 0;   // flags in bulk answers: the client keeps them and evaluates by itself
};

struct ServedSecond {
  int64_t second = 0;  // Unix
  std::vector<ServedCount> counts;
};

struct ServedReport {
  std::string run;  // a new one each time the process starts: counts begin at 0 again
  UnixNanos now = 0;
  std::vector<ServedCount> counts;    // since the start of the run
  std::vector<ServedSecond> seconds;  // the last ones, oldest first; the newest is not over yet
  uint64_t forgotten = 0;             // evaluations that are counted nowhere else because a bound was reached
};

std::string encode(const ServedReport& report);
Result<ServedReport> decode_served(std::string_view text);

// Thread-safe.
class ServedCounts {
 public:
  explicit ServedCounts(std::string run) : run_(std::move(run)) {}
  void add(std::string_view knob, int64_t revision, Variant variant, bool bulk, UnixNanos now);
  // Seconds at or after `since_second`.
  ServedReport report(UnixNanos now, int64_t since_second) const;

 private:
  using Key = std::tuple<std::string, int64_t, Variant>;
  struct Numbers {
    uint64_t count = 0, bulk = 0;
    int64_t last_second = 0;
  };
  struct Second {
    int64_t second = 0;
    std::map<Key, Numbers> numbers;
  };
  Second& second_of(int64_t second);
  void forget_the_stalest();

  const std::string run_;
  mutable std::mutex mutex_;
  std::map<Key, Numbers> total_;
  std::deque<Second> seconds_;
  uint64_t forgotten_ = 0;
};

}  // namespace hs::values
