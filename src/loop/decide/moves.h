#pragma once
// The values that a knob may be changed to, and what such a change is called. Only what the declaration allows.

#include <string>
#include <vector>

#include "config/declarations.h"

namespace hs::loop {

inline constexpr size_t moves_max = 24;  // of one knob: variants beyond are not tried

struct Move {
  config::Value to;
  std::string direction;  // raised | lowered | enabled | disabled | the variant's text
  double size = 1;        // numeric: log2 of the factor, absolute; otherwise 1
};

// `settled`: what holds now. Numbers move geometrically (x 0.5, x 2, x 0.25, x 4) and to the ends of their range.
std::vector<Move> moves_of(const config::Knob& knob, const config::Value& settled);
// What a change between two values is called; "" when they are equal.
std::string direction_of(const config::Knob& knob, const config::Value& from, const config::Value& to);
double number_of(const config::Value& value);  // 0 for what is not a number

}  // namespace hs::loop
