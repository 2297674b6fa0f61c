#include "loop/decide/moves.h"

#include <algorithm>
#include <cmath>

namespace hs::loop {
namespace {

using config::Knob;
using config::KnobType;
using config::Value;

bool is_number(const Knob& knob) { return knob.type == KnobType::integer || knob.type == KnobType::real; }

// The nearest declared step, inside the range.
Value number(const Knob& knob, double x) {
  double low = knob.min.value_or(0), step = knob.step.value_or(knob.type == KnobType::integer ? 1 : 0);
  if (knob.min) x = std::max(x, *knob.min);
  if (knob.max) x = std::min(x, *knob.max);
  if (step > 0) x = low + std::round((x - low) / step) * step;
  if (knob.max && x > *knob.max) x -= step;
  if (knob.type == KnobType::integer) return static_cast<int64_t>(std::llround(x));
  return x;
}

double size_of(double from, double to) {
  double a = std::abs(from), b = std::abs(to);
  if (a == 0 || b == 0) return std::log2(std::max(a, b) + 1) + 1;  // to nothing: one doubling more than to one
  return std::clamp(std::abs(std::log2(b / a)), 0.1, 20.0);
}

void add_numbers(const Knob& knob, double now, std::vector<Move>& out) {
  std::vector<double> wanted;
  for (double factor : {0.5, 2.0, 0.25, 4.0}) wanted.push_back(now * factor);
  double reach = knob.min && knob.max ? *knob.max - *knob.min : std::max(std::abs(now), 1.0);
  if (now == 0) wanted = {knob.step.value_or(reach / 8), reach / 4};
  if (knob.min) wanted.push_back(*knob.min);
  if (knob.max) wanted.push_back(*knob.max);
  for (double x : wanted) {
    Value to = number(knob, x);
    double landed = number_of(to);
    if (landed == now) continue;
    bool known = std::any_of(out.begin(), out.end(), [&](const Move& m) { return m.to == to; });
    if (!known) out.push_back({to, landed > now ? "raised" : "lowered", size_of(now, landed)});
  }
}

}  // namespace

double number_of(const Value& value) {
  if (const auto* i = std::get_if<int64_t>(&value)) return static_cast<double>(*i);
  if (const auto* d = std::get_if<double>(&value)) return *d;
  return 0;
}

std::string direction_of(const Knob& knob, const Value& from, const Value& to) {
  if (from == to) return "";
  if (is_number(knob)) return number_of(to) > number_of(from) ? "raised" : "lowered";
  if (const auto* b = std::get_if<bool>(&to)) return *b ? "enabled" : "disabled";
  return config::to_text(to);
}

std::vector<Move> moves_of(const Knob& knob, const Value& settled) {
  std::vector<Move> out;
  if (!knob.variants.empty()) {
    for (const auto& v : knob.variants)
      if (v != settled && out.size() < moves_max)
        out.push_back(
            {v, direction_of(knob, settled, v), is_number(knob) ? size_of(number_of(settled), number_of(v)) : 1.0});
    return out;
  }
  if (const auto* b = std::get_if<bool>(&settled)) return {{!*b, *b ? "disabled" : "enabled", 1}};
  if (is_number(knob)) add_numbers(knob, number_of(settled), out);
  return out;
}

}  // namespace hs::loop
