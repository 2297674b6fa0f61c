#include "app/sampling_policy.h"

#include <charconv>

#include <fmt/format.h>

namespace hs::app {
namespace {

constexpr std::string_view prefix = "traces.tail_sampling.";

Result<std::pair<std::string, double>> budget_of(std::string_view text) {
  const size_t equals = text.rfind('=');  // names of services may hold one
  uint64_t spans = 0;
  const std::string_view number = equals == std::string_view::npos ? "" : text.substr(equals + 1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), spans);
  if (equals == std::string_view::npos || equals == 0 || number.empty() || error != std::errc() ||
      end != number.data() + number.size())
    return fail(Code::invalid_argument,
                fmt::format("{}budgets: \"{}\" is not SERVICE=SPANS_A_SECOND, such as checkout=500", prefix, text));
  return std::pair{std::string(text.substr(0, equals)), static_cast<double>(spans)};
}

}  // namespace

Result<sampling::Policy> sampling_policy(const config::Settings& settings) {
  const auto name = [](std::string_view key) { return std::string(prefix) + std::string(key); };
  sampling::Policy policy;
  policy.enabled = settings.flag(name("enabled"));
  policy.wait_ms = settings.ms(name("wait"));
  policy.held_bytes_max = static_cast<uint64_t>(settings.bytes(name("memory")));
  policy.traces_max = static_cast<uint64_t>(settings.integer(name("traces_max")));
  policy.errors = settings.flag(name("errors"));
  policy.slow_ms = settings.ms(name("slow"));
  policy.slow_quantile = settings.real(name("slow_quantile"));
  policy.rare_per_hour = static_cast<uint64_t>(settings.integer(name("rare_per_hour")));
  policy.share = settings.real(name("share"));
  policy.spans_per_s = static_cast<double>(settings.integer(name("budget")));
  for (const std::string& text : settings.list(name("budgets"))) {
    HS_ASSIGN(auto budget, budget_of(text));
    policy.services[std::move(budget.first)] = budget.second;
  }
  return policy;
}

}  // namespace hs::app
