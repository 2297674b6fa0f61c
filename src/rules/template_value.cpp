// Values as Go shows them.

#include "rules/template_value.h"

#include <cmath>

#include <fmt/format.h>

#include "promql/histogram_math.h"
#include "promql/quote.h"
#include "promql/unquote.h"
#include "rules/template.h"

namespace hs::rules {
namespace {

template <class... F>
struct Cases : F... {
  using F::operator()...;
};

std::string print_labels(const promql::Labels& labels) {
  std::string out = "map[";
  for (const promql::Label& label : labels)
    out += fmt::format("{}{}:{}", out.size() > 4 ? " " : "", label.name, label.value);
  return out + "]";
}

Value value_of(const promql::Sample& sample) { return sample.h ? Value{sample.h} : Value{sample.f}; }

}  // namespace

std::string_view type_name(const Value& value) {
  return std::visit(
      Cases{[](std::monostate) { return "nil"; }, [](bool) { return "bool"; }, [](int64_t) { return "int"; },
            [](double) { return "float64"; }, [](const std::string&) { return "string"; },
            [](const promql::Labels&) { return "map[string]string"; }, [](const SamplePtr&) { return "*sample"; },
            [](const Samples&) { return "queryResult"; }, [](const Arguments&) { return "map[string]interface {}"; },
            [](const promql::HistogramPtr&) { return "*histogram.FloatHistogram"; },
            [](Moment) { return "*time.Time"; }, [](Span) { return "*time.Duration"; },
            [](const TemplateData*) { return "alert data"; }},
      value.v);
}

bool truth(const Value& value) {
  return std::visit(
      Cases{[](std::monostate) { return false; }, [](bool b) { return b; }, [](int64_t n) { return n != 0; },
            [](double d) { return d != 0; }, [](const std::string& s) { return !s.empty(); },
            [](const promql::Labels& l) { return !l.empty(); }, [](const SamplePtr& s) { return s != nullptr; },
            [](const Samples& s) { return !s.empty(); }, [](const Arguments& a) { return a != nullptr && !a->empty(); },
            [](const promql::HistogramPtr& h) { return h != nullptr; }, [](Moment) { return true; },
            [](Span) { return true; }, [](const TemplateData*) { return true; }},
      value.v);
}

std::string print(const Value& value) {
  return std::visit(
      Cases{[](std::monostate) { return std::string("<no value>"); },
            [](bool b) { return std::string(b ? "true" : "false"); }, [](int64_t n) { return std::to_string(n); },
            [](double d) { return promql::format_g(d); }, [](const std::string& s) { return s; },
            [](const promql::Labels& l) { return print_labels(l); },
            [](const SamplePtr& s) { return fmt::format("&{{{} {}}}", print_labels(s->labels), print(value_of(*s))); },
            [](const Samples& s) { return fmt::format("[{} samples]", s.size()); },  // Go would print addresses
            [](const Arguments& a) { return fmt::format("map[{} arguments]", a->size()); },
            [](const promql::HistogramPtr& h) { return promql::to_text(*h); },
            [](Moment m) { return moment_text(m.ns); }, [](Span s) { return span_text(s.ns); },
            [](const TemplateData*) { return std::string("<alert data>"); }},
      value.v);
}

Result<double> to_float(const Value& value) {
  if (const auto* d = value.get<double>()) return *d;
  if (const auto* n = value.get<int64_t>()) return static_cast<double>(*n);
  if (const auto* s = value.get<Span>()) return static_cast<double>(s->ns) / 1e9;
  if (const auto* text = value.get<std::string>()) return promql::parse_go_number(*text);
  return fail(Code::invalid_argument, fmt::format("can't convert {} to float", type_name(value)));
}

Result<Value> field_of(const Value& value, const std::string& name) {
  if (const auto* labels = value.get<promql::Labels>()) return Value{std::string(labels->get(name))};
  if (const auto* arguments = value.get<Arguments>()) {
    const auto at = (*arguments)->find(name);
    return at == (*arguments)->end() ? Value{} : at->second;
  }
  if (const auto* data = value.get<const TemplateData*>()) {
    if (name == "Labels") return Value{(*data)->labels};
    if (name == "ExternalLabels") return Value{(*data)->external_labels};
    if (name == "ExternalURL") return Value{(*data)->external_url};
    if (name == "Value") return value_of((*data)->value);
  }
  if (const auto* sample = value.get<SamplePtr>()) {
    if (*sample == nullptr) return fail(Code::invalid_argument, fmt::format("nil pointer evaluating .{}", name));
    if (name == "Labels") return Value{(*sample)->labels};
    if (name == "Value") return value_of(**sample);
  }
  if (value.get<std::monostate>() != nullptr) return Value{};
  if (const auto* h = value.get<promql::HistogramPtr>()) {
    if (name == "Count") return Value{(*h)->count};
    if (name == "Sum") return Value{(*h)->sum};
  }
  return fail(Code::invalid_argument, fmt::format("can't evaluate field {} in type {}", name, type_name(value)));
}

}  // namespace hs::rules
