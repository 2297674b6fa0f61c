#include "sim/truth.h"

namespace hs::sim {
namespace {
constexpr int64_t drains_s = 10, watched_s = 12;
}

void Score::add(const App& app, const Request& request) {
  if (request.attack)
    attacks += 1, let_in += !request.limited;
  else
    n += 1, bad += !app.good(request);
}

Score would_be(const World& world, const std::vector<config::Value>& values) {
  App app = world.app;
  Dice dice = world.dice;
  Fixed fixed(values);
  Score sum;
  for (int64_t s = 0; s < drains_s + watched_s; ++s) {
    app.heal();
    for (const auto& f : world.faults) f.apply(app, world.second);
    for (const auto& r : app.step(world.second + 1 + s, dice, fixed))
      if (s >= drains_s) sum.add(app, r);
  }
  return sum;
}

Best best_of(const World& world, const std::vector<config::Value>& values) {
  Best out{.untouched = would_be(world, values).total()};
  out.cured = out.untouched;
  auto chosen = values;
  for (const auto& f : world.faults) {
    const Cure* best = nullptr;
    for (const auto& cure : f.cures) {
      auto one = chosen;
      one[static_cast<size_t>(cure.setting)] = cure.to;
      if (double bad = would_be(world, one).total(); bad < out.cured) out.cured = bad, best = &cure;
    }
    if (best != nullptr) chosen[static_cast<size_t>(best->setting)] = best->to;
  }
  return out;
}

}  // namespace hs::sim
