#pragma once
// When a group is due. Pure.

#include "rules/group.h"

namespace hs::rules {

struct Schedule {
  int64_t next_ms = 0;            // the slot to be evaluated next
  int64_t catch_up_until_ms = 0;  // slots before it are evaluated one by one, however late

  // A group begins: after `memory` of a former process, or (evaluated_ms 0) anew at the next slot. Slots of the last
  // `catch_up_ms` that the former process missed are evaluated now; `skipped_ms`: what lies before them.
  static Schedule start(const Group& group, int64_t evaluated_ms, int64_t now_ms, int64_t catch_up_ms,
                        int64_t& skipped_ms);

  bool due(int64_t now_ms) const { return next_ms <= now_ms; }
  // The slot to evaluate now. Slots that have passed meanwhile, other than those to catch up, are left out: `missed`.
  int64_t take(int64_t now_ms, int64_t interval_ms, int64_t& missed);
};

}  // namespace hs::rules
