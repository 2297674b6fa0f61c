#pragma once
// Order of names with numbers in them: a2 before a10.

#include <string_view>

namespace hs::promql {

bool natural_less(std::string_view a, std::string_view b);

}  // namespace hs::promql
