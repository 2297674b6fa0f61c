#include "rules/schedule.h"

#include <algorithm>

namespace hs::rules {

Schedule Schedule::start(const Group& group, int64_t evaluated_ms, int64_t now_ms, int64_t catch_up_ms,
                         int64_t& skipped_ms) {
  const int64_t interval = group.interval_ms(), coming = group.slot_before(now_ms) + interval;
  skipped_ms = 0;
  if (evaluated_ms <= 0 || evaluated_ms > now_ms) return {.next_ms = coming, .catch_up_until_ms = 0};
  const int64_t missed_first = group.slot_before(evaluated_ms) + interval;
  const int64_t caught_first = group.slot_before(now_ms - catch_up_ms) + interval;
  const int64_t first = std::max(missed_first, caught_first);
  skipped_ms = first - missed_first;
  return {.next_ms = std::min(first, coming), .catch_up_until_ms = coming};
}

int64_t Schedule::take(int64_t now_ms, int64_t interval_ms, int64_t& missed) {
  missed = next_ms < catch_up_until_ms ? 0 : std::max<int64_t>((now_ms - next_ms) / interval_ms, 0);
  const int64_t slot = next_ms + missed * interval_ms;
  next_ms = slot + interval_ms;
  return slot;
}

}  // namespace hs::rules
