#include "promql/engine.h"

namespace hs::promql {

std::string_view name_of(ErrorKind kind) {
  static constexpr std::string_view names[] = {"bad_data", "execution", "timeout", "canceled", "internal"};
  return names[static_cast<size_t>(kind)];
}

int http_status(ErrorKind kind) {
  static constexpr int statuses[] = {400, 422, 503, 499, 500};
  return statuses[static_cast<size_t>(kind)];
}

bool enable(Features& features, std::string_view flag) {
  static constexpr std::pair<std::string_view, bool Features::*> flags[] = {
      {"promql-experimental-functions", &Features::experimental_functions},
      {"promql-duration-expr", &Features::duration_expressions},
      {"promql-delayed-name-removal", &Features::delayed_name_removal},
      {"promql-extended-range-selectors", &Features::extended_range_selectors},
      {"promql-binop-fill-modifiers", &Features::fill_modifiers},
      {"type-and-unit-labels", &Features::type_and_unit_labels},
      {"use-start-timestamps", &Features::start_timestamps},
  };
  for (const auto& [name, member] : flags) {
    if (name == flag) return features.*member = true;
  }
  return false;
}

}  // namespace hs::promql
