// traces.tail_sampling.*, a part of the table of settings.

#include "config/settings.h"

namespace hs::config {
namespace {

using enum SettingType;

// All of these may change at a reload.
constexpr Setting key(std::string_view name, SettingType type, std::string_view fallback, double min, double max,
                      std::string_view help) {
  return {.name = name, .type = type, .fallback = fallback, .min = min, .max = max, .live = true, .help = help};
}

constexpr Setting table[] = {
    key("traces.tail_sampling.enabled", boolean, "false", 0, 0,
        "Store a choice of the traces that come in, made when they are complete; docs/sampling.md. Metrics are derived "
        "from all of them."),
    key("traces.tail_sampling.wait", duration, "10s", 100, 600'000,
        "How long spans of a trace are waited for before it is decided on; at most a second more."),
    key("traces.tail_sampling.memory", bytes, "256MiB", 1'048'576, 68'719'476'736,
        "Decoded spans that wait for a decision, about a sixth of ingest.memory_max at most; beyond it the oldest are "
        "decided early."),
    key("traces.tail_sampling.traces_max", integer, "200000", 1000, 10'000'000,
        "Traces that wait for a decision; beyond it the oldest are decided early."),
    key("traces.tail_sampling.errors", boolean, "true", 0, 0, "Keep traces that have a span with status error."),
    key("traces.tail_sampling.slow", duration, "0", 0, 86'400'000,
        "Keep traces in which an entry (a server's or consumer's span, or a root) took at least so long; 0: no such "
        "threshold."),
    key("traces.tail_sampling.slow_quantile", real, "0.99", 0, 1,
        "Keep traces in which an entry took longer than this quantile of its own operation; 0: no."),
    key("traces.tail_sampling.rare_per_hour", integer, "10", 0, 1'000'000,
        "Keep so many first traces of each operation in an hour; 0: none."),
    key("traces.tail_sampling.share", real, "0.1", 0, 1,
        "Share of all other traces that is kept. Their spans say so in their tracestate (ot=th:), so that counts can "
        "be weighed."),
    key("traces.tail_sampling.budget", integer, "0", 0, 1e9,
        "Spans a second, on average, that each service may have stored; what is beyond is thinned out and weighed. 0: "
        "no budget."),
    key("traces.tail_sampling.budgets", list, "", 0, 0, "Budgets of single services, SERVICE=SPANS_A_SECOND."),
};

}  // namespace

std::span<const Setting> sampling_setting_table() { return table; }

}  // namespace hs::config
