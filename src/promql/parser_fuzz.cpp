// Any bytes: no crash, and what parses prints to text that parses to the same text.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "promql/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hs::promql;
  const Features features{.experimental_functions = true,
                          .duration_expressions = true,
                          .extended_range_selectors = true,
                          .fill_modifiers = true};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto expr = parse_expr(text, features, Limits{});
  if (!expr) return 0;
  to_pretty(**expr);
  to_tree_json(**expr);
  const std::string printed = to_text(**expr);
  const auto again = parse_expr(printed, features, Limits{});
  if (again && to_text(**again) != printed) std::abort();
  return 0;
}
