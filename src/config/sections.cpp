#include "config/sections.h"

#include <fmt/format.h>

#include "config/fields.h"

namespace hs::config {
namespace {

using namespace fields;

constexpr std::string_view objective_kinds[] = {"availability", "latency"};
constexpr std::string_view kpi_kinds[] = {"counter", "ratio", "quantile"};
constexpr std::string_view kpi_directions[] = {"higher_is_better", "lower_is_better"};
constexpr std::string_view knob_types[] = {"boolean", "integer", "real", "string"};
constexpr std::string_view knob_scopes[] = {"request", "instance", "service"};
constexpr std::string_view knob_effects[] = {"isolated", "shared"};
constexpr std::string_view knob_applies[] = {"live", "at_start"};
constexpr std::string_view measures[] = {"errors", "latency", "load"};

const std::vector<Field<Objective>>& objective_fields() {
  static const std::vector<Field<Objective>> fields = {
      {"name", "text", false, "unique; default: service, operation and kind", text(&Objective::name)},
      {"service", "text", true, "service.name", text(&Objective::service)},
      {"operation", "text", false, "name of the entry span; empty: every operation", text(&Objective::operation)},
      {"kind", "availability or latency", false, "what is counted as good", choice(&Objective::kind, objective_kinds)},
      {"target", "0..1", false, "share of requests that must be good; default 0.99", real(&Objective::target, 0, 1)},
      {"threshold_ms", "ms", false, "latency: good is faster than this; default 500", millis(&Objective::threshold_ms)},
      {"window", "duration", false,
       "the time that the error budget is for, 7d to 366d; default 30d. 2 % of it burnt in an hour page, 10 % in a day "
       "are "
       "a ticket",
       duration(&Objective::window_ms)},
  };
  return fields;
}

const std::vector<Field<Kpi>>& kpi_fields() {
  static const std::vector<Field<Kpi>> fields = {
      {"name", "text", true, "unique", text(&Kpi::name)},
      {"kind", "counter, ratio or quantile", false, "counter: events a minute", choice(&Kpi::kind, kpi_kinds)},
      {"source", "spans, logs or metric", false, "where it is counted; default spans", text(&Kpi::source)},
      {"service", "text", false, "only of this service; without it no knob is near the KPI", text(&Kpi::service)},
      {"operation", "text", false, "only spans of this name", text(&Kpi::operation)},
      {"metric", "text", false, "source metric: its name", text(&Kpi::metric)},
      {"attribute", "text", false, "only where this attribute ...", text(&Kpi::attribute)},
      {"value", "text", false, "... has this value", text(&Kpi::value)},
      {"good_attribute", "text", false, "ratio: counted as good where this attribute ...", text(&Kpi::good_attribute)},
      {"good_value", "text", false, "... has this value", text(&Kpi::good_value)},
      {"quantile", "0..1", false, "quantile: which; default 0.95", real(&Kpi::quantile, 0, 1)},
      {"direction", "higher_is_better or lower_is_better", false, "", choice(&Kpi::direction, kpi_directions)},
      {"target", "number", false, "the value that it should hold", optional_real(&Kpi::target)},
  };
  return fields;
}

const std::vector<Field<Expectation>>& expectation_fields() {
  static const std::vector<Field<Expectation>> fields = {
      {"service", "text", true, "whose measure changes", text(&Expectation::service)},
      {"operation", "text", false, "empty: every operation", text(&Expectation::operation)},
      {"measure", "errors, latency or load", true, "what changes", choice(&Expectation::measure, measures)},
      {"when", "text", false, "raised, lowered, enabled, disabled or a variant; default raised",
       text(&Expectation::when)},
      {"improves", "boolean", false, "true: the measure falls; false: it grows; default true",
       boolean(&Expectation::improves)},
  };
  return fields;
}

// A knob's value is read as its type, which may be declared after it: kept as text until the entry is complete.
struct RawKnob : Knob {
  std::string raw_base;
  std::vector<std::string> raw_variants;
};

Result<Value> value_of(KnobType type, const std::string& written) {
  const YAML::Node node(written);
  bool b = false;
  int64_t i = 0;
  double d = 0;
  if (type == KnobType::string) return Value(written);
  if (type == KnobType::boolean && YAML::convert<bool>::decode(node, b)) return Value(b);
  if (type == KnobType::integer && YAML::convert<int64_t>::decode(node, i)) return Value(i);
  if (type == KnobType::real && YAML::convert<double>::decode(node, d)) return Value(d);
  return fail(Code::invalid_argument,
              fmt::format("'{}' is not of type {}", written, knob_types[static_cast<size_t>(type)]));
}

const std::vector<Field<RawKnob>>& knob_fields() {
  const auto as_knob = [](auto f) { return [f](RawKnob& k, const YAML::Node& n) { return f(k, n); }; };
  static const std::vector<Field<RawKnob>> fields = {
      {"key", "text", true, "the flag key that the application evaluates", as_knob(text<Knob>(&Knob::key))},
      {"type", "boolean, integer, real or string", true, "", as_knob(choice<Knob>(&Knob::type, knob_types))},
      {"base", "of its type", true, "the operator's value", text(&RawKnob::raw_base)},
      {"min", "number", false, "least value allowed", as_knob(optional_real<Knob>(&Knob::min))},
      {"max", "number", false, "greatest value allowed", as_knob(optional_real<Knob>(&Knob::max))},
      {"step", "number", false, "values are base plus multiples of it", as_knob(optional_real<Knob>(&Knob::step))},
      {"variants", "list", false, "the only values allowed; needed for strings", texts(&RawKnob::raw_variants)},
      {"services", "list of text", true, "who reads it", as_knob(texts<Knob>(&Knob::services))},
      {"dependency", "text", false, "the downstream service or peer that it is about, as spans name it",
       as_knob(text<Knob>(&Knob::dependency))},
      {"scope", "request, instance or service", false, "what one evaluation decides for; default request",
       as_knob(choice<Knob>(&Knob::scope, knob_scopes))},
      {"effect", "isolated or shared", false, "does the effect stay inside the treated share? default isolated",
       as_knob(choice<Knob>(&Knob::effect, knob_effects))},
      {"applies", "live or at_start", false, "default live", as_knob(choice<Knob>(&Knob::applies, knob_applies))},
      {"expect", "list", false, "what a change is expected to do (fields below)",
       [](RawKnob& k, const YAML::Node& n) { return read_list("expect", expectation_fields(), n, k.expect); }},
      {"description", "text", false, "for people", as_knob(text<Knob>(&Knob::description))},
  };
  return fields;
}

Result<Knob> finish(RawKnob raw) {
  const std::string& key = raw.key;
  const auto convert = [&](const std::string& written) { return value_of(raw.type, written); };
  if (auto base = convert(raw.raw_base))
    raw.base = *base;
  else
    return fail(Code::invalid_argument, fmt::format("knob '{}': base: {}", key, base.error().message));
  for (const std::string& written : raw.raw_variants)
    if (auto variant = convert(written))
      raw.variants.push_back(*variant);
    else
      return fail(Code::invalid_argument, fmt::format("knob '{}': variants: {}", key, variant.error().message));
  return static_cast<Knob>(std::move(raw));
}

const std::vector<Field<Probe>>& probe_fields() {
  static const std::vector<Field<Probe>> fields = {
      {"name", "text", true, "unique", text(&Probe::name)},
      {"url", "http URL", true, "what is fetched with GET; 2xx is good", text(&Probe::url)},
      {"service", "text", true, "whose health it tells", text(&Probe::service)},
      {"interval_ms", "ms", false, "default 1000", millis(&Probe::interval_ms)},
      {"timeout_ms", "ms", false, "default 1000", millis(&Probe::timeout_ms)},
  };
  return fields;
}

const std::vector<Field<Proxy>>& proxy_fields() {
  static const std::vector<Field<Proxy>> fields = {
      {"name", "text", true, "unique", text(&Proxy::name)},
      {"listen", "host:port", true, "where callers connect", text(&Proxy::listen)},
      {"upstream", "host:port", true, "where their bytes go", text(&Proxy::upstream)},
      {"protocol", "tcp or http", false, "http allows status and delay faults; default tcp", text(&Proxy::protocol)},
  };
  return fields;
}

Status check_number(const Knob& knob, const Value& value) {
  const double number = std::holds_alternative<int64_t>(value)  ? static_cast<double>(std::get<int64_t>(value))
                        : std::holds_alternative<double>(value) ? std::get<double>(value)
                                                                : 0;
  if ((knob.min && number < *knob.min) || (knob.max && number > *knob.max))
    return fail(Code::invalid_argument, fmt::format("knob '{}': {} is outside its range", knob.key, to_text(value)));
  return {};
}

Status check_knob(const Knob& knob) {
  const bool is_number = knob.type == KnobType::integer || knob.type == KnobType::real;
  if (knob.services.empty()) return fail(Code::invalid_argument, fmt::format("knob '{}': services is empty", knob.key));
  if (knob.type == KnobType::string && knob.variants.empty())
    return fail(Code::invalid_argument, fmt::format("knob '{}': a string needs its variants listed", knob.key));
  if (is_number && knob.variants.empty() && (!knob.min || !knob.max))
    return fail(Code::invalid_argument, fmt::format("knob '{}': a number needs min and max, or variants", knob.key));
  if (!knob.variants.empty() && std::find(knob.variants.begin(), knob.variants.end(), knob.base) == knob.variants.end())
    return fail(Code::invalid_argument, fmt::format("knob '{}': base is not among its variants", knob.key));
  HS_TRY(check_number(knob, knob.base));
  for (const Value& variant : knob.variants) HS_TRY(check_number(knob, variant));
  return {};
}

constexpr int64_t window_ms_min = 7LL * 86'400'000, window_ms_max = 366LL * 86'400'000;

// A shorter budget is burnt by what nobody would be woken for.
Status check_objective(const Objective& o) {
  if (o.window_ms >= window_ms_min && o.window_ms <= window_ms_max) return {};
  return fail(Code::invalid_argument, fmt::format("objective '{}': window must be 7d to 366d", o.name));
}

constexpr std::string_view names[] = {"objectives", "kpis", "knobs", "probes", "chaos.proxies"};

}  // namespace

bool is_section(std::string_view key) { return std::find(std::begin(names), std::end(names), key) != std::end(names); }

std::vector<std::string_view> section_names() { return {std::begin(names), std::end(names)}; }

void clear_section(std::string_view key, Declarations& out) {
  if (key == "objectives") out.objectives.clear();
  if (key == "kpis") out.kpis.clear();
  if (key == "knobs") out.knobs.clear();
  if (key == "probes") out.probes.clear();
  if (key == "chaos.proxies") out.proxies.clear();
}

Status read_section(std::string_view key, const YAML::Node& list, Declarations& out) {
  if (key == "objectives") return read_list(key, objective_fields(), list, out.objectives);
  if (key == "kpis") return read_list(key, kpi_fields(), list, out.kpis);
  if (key == "probes") return read_list(key, probe_fields(), list, out.probes);
  if (key == "chaos.proxies") return read_list(key, proxy_fields(), list, out.proxies);
  std::vector<RawKnob> raw;
  HS_TRY(read_list(key, knob_fields(), list, raw));
  for (RawKnob& knob : raw) {
    HS_ASSIGN(Knob finished, finish(std::move(knob)));
    out.knobs.push_back(std::move(finished));
  }
  return {};
}

Status check(const Declarations& d) {
  for (const Objective& objective : d.objectives) HS_TRY(check_objective(objective));
  for (const Knob& knob : d.knobs) HS_TRY(check_knob(knob));
  HS_TRY(check_unique("objectives", d.objectives, [](const Objective& o) { return o.name; }));
  HS_TRY(check_unique("kpis", d.kpis, [](const Kpi& k) { return k.name; }));
  HS_TRY(check_unique("knobs", d.knobs, [](const Knob& k) { return k.key; }));
  HS_TRY(check_unique("probes", d.probes, [](const Probe& p) { return p.name; }));
  return check_unique("chaos.proxies", d.proxies, [](const Proxy& p) { return p.name; });
}

std::string section_reference() {
  return reference("objectives", objective_fields()) + reference("kpis", kpi_fields()) +
         reference("knobs", knob_fields()) + reference("knobs: expect", expectation_fields()) +
         reference("probes", probe_fields()) + reference("chaos.proxies", proxy_fields());
}

}  // namespace hs::config
