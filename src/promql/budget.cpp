#include "promql/budget.h"

namespace hs::promql {

bool Budget::take(size_t samples) {
  size_t used = used_;
  do {
    if (used + samples > max_) return false;
  } while (!used_.compare_exchange_weak(used, used + samples));
  return true;
}

bool Lease::reach(size_t samples) {
  if (!budget_ || samples <= held_) return true;
  const size_t more = (samples - held_ + step - 1) / step * step;
  if (!budget_->take(more)) return false;
  held_ += more;
  return true;
}

}  // namespace hs::promql
