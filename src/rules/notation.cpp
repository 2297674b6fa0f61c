#include "rules/notation.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

#include "promql/engine.h"
#include "promql/histogram_math.h"
#include "promql/quote.h"
#include "promql/source.h"
#include "promql/unquote.h"

namespace hs::rules {
namespace {

using promql::Histogram;
using promql::HistogramPtr;

tl::unexpected<Error> bad(std::string what) { return fail(Code::invalid_argument, std::move(what)); }

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Values {
 public:
  explicit Values(std::string_view text) : text_(text) {}

  Result<std::vector<NotedValue>> read() {
    for (skip(); at_ < text_.size(); skip()) {
      HS_TRY(item());
      if (out_.size() > noted_values_max) return bad(fmt::format("more than {} values", noted_values_max));
      if (at_ < text_.size() && !is_blank(text_[at_]))
        return bad(fmt::format("unexpected {} at byte {} of the values", promql::quote(text_.substr(at_, 1)), at_ + 1));
    }
    return std::move(out_);
  }

 private:
  void skip() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  // The N of xN; 0 when there is none.
  Result<size_t> times(bool& repeated) {
    repeated = false;
    size_t n = 0;
    if (at_ >= text_.size() || text_[at_] != 'x') return n;
    const char* begin = text_.data() + at_ + 1;
    const auto [end, ec] = std::from_chars(begin, text_.data() + text_.size(), n);
    if (ec != std::errc() || n > noted_values_max)
      return bad(fmt::format("a number up to {} stands behind x", noted_values_max));
    at_ = static_cast<size_t>(end - text_.data());
    repeated = true;
    return n;
  }

  Status item() {
    if (text_.substr(at_).starts_with("{{")) return histograms();
    bool repeated = false;
    if (take("_")) {
      HS_ASSIGN(const size_t n, times(repeated));
      out_.insert(out_.end(), repeated ? n : 1, NotedValue{.missing = true, .h = nullptr});
      return {};
    }
    HS_ASSIGN(const double first, number());
    double step = 0;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) {
      HS_ASSIGN(step, number());
      if (at_ >= text_.size() || text_[at_] != 'x') return bad("a step needs a count: write a+bxN");
    }
    HS_ASSIGN(const size_t n, times(repeated));
    double value = first;
    for (size_t i = 0; i <= n; ++i, value += step) out_.push_back({.f = value, .h = nullptr});
    return {};
  }

  Result<double> number() {
    if (take("stale")) return promql::stale_marker();
    size_t end = at_;
    if (end < text_.size() && (text_[end] == '+' || text_[end] == '-')) ++end;
    while (end < text_.size() && belongs(end)) ++end;  // never hexadecimal: 0x2 is three zeros
    const std::string_view digits = text_.substr(at_, end - at_);
    const auto value = promql::parse_go_number(digits);
    if (!value)
      return bad(fmt::format("{} at byte {} of the values is no number, _, stale or histogram",
                             promql::quote(text_.substr(at_, std::max<size_t>(end - at_, 1))), at_ + 1));
    at_ = end;
    return *value;
  }

  bool belongs(size_t i) const {
    const char c = text_[i];
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.') return true;
    const bool sign = c == '+' || c == '-';
    if (sign) return i > at_ && (text_[i - 1] | 32) == 'e' && i >= at_ + 2 && text_[i - 2] != 'v';
    return c != 'x' && std::isalpha(static_cast<unsigned char>(c)) != 0;  // e, Inf, NaN
  }

  Status histograms() {
    HS_ASSIGN(HistogramPtr first, histogram());
    const bool plus = take("+{{"), minus = !plus && take("-{{");
    HistogramPtr step;
    if (plus || minus) {
      at_ -= 2;
      HS_ASSIGN(step, histogram());
    }
    bool repeated = false;
    HS_ASSIGN(const size_t n, times(repeated));
    if (step && !repeated) return bad("a step needs a count: write {{..}}+{{..}}xN");
    HistogramPtr value = first;
    for (size_t i = 0; i <= n; ++i) {
      out_.push_back({.h = value});
      if (!step || i == n) continue;
      promql::HistogramSum sum(*value);
      const promql::Combined combined = plus ? sum.add(*step) : sum.subtract(*step);
      if (combined.incompatible) return bad("exponential and custom buckets cannot be added");
      value = sum.finish();
    }
    return {};
  }

  Result<HistogramPtr> histogram() {
    const size_t end = text_.find("}}", at_);
    if (end == text_.npos) return bad("}} is missing");
    std::string_view inside = text_.substr(at_ + 2, end - at_ - 2);
    at_ = end + 2;
    auto h = std::make_shared<Histogram>();
    int32_t offset = 0, negative_offset = 0;
    while (true) {
      while (!inside.empty() && is_blank(inside.front())) inside.remove_prefix(1);
      if (inside.empty()) break;
      const size_t colon = inside.find(':');
      if (colon == inside.npos) return bad(fmt::format("a histogram has name:value, not {}", promql::quote(inside)));
      const std::string_view name = inside.substr(0, colon);
      inside.remove_prefix(colon + 1);
      const bool list = inside.starts_with('[');
      size_t stop = list ? inside.find(']') : inside.find_first_of(" \t\n");
      if (list && stop == inside.npos) return bad("] is missing");
      stop = std::min(stop, inside.size());
      HS_TRY(descriptor(*h, name, inside.substr(list ? 1 : 0, stop - (list ? 1 : 0)), offset, negative_offset));
      inside.remove_prefix(std::min(stop + (list ? 1 : 0), inside.size()));
    }
    if (!h->positive.empty()) h->positive_spans = {{offset, static_cast<uint32_t>(h->positive.size())}};
    if (!h->negative.empty()) h->negative_spans = {{negative_offset, static_cast<uint32_t>(h->negative.size())}};
    return HistogramPtr(std::move(h));
  }

  static Status descriptor(Histogram& h, std::string_view name, std::string_view value, int32_t& offset,
                           int32_t& negative_offset) {
    if (name == "buckets") return numbers(value, h.positive);
    if (name == "n_buckets") return numbers(value, h.negative);
    if (name == "custom_values") return numbers(value, h.custom_values);
    if (name == "counter_reset_hint") {
      constexpr std::string_view hints[] = {"unknown", "reset", "not_reset", "gauge"};
      const auto* at = std::find(std::begin(hints), std::end(hints), value);
      if (at == std::end(hints))
        return bad(fmt::format("counter_reset_hint is unknown, reset, not_reset or gauge, not {}", value));
      h.hint = static_cast<promql::ResetHint>(at - std::begin(hints));
      return {};
    }
    HS_ASSIGN(const double number, promql::parse_go_number(value));
    const auto whole = static_cast<int32_t>(std::clamp(number, -1e9, 1e9));
    if (name == "schema")
      h.schema = whole;
    else if (name == "count")
      h.count = number;
    else if (name == "sum")
      h.sum = number;
    else if (name == "z_bucket")
      h.zero_count = number;
    else if (name == "z_bucket_w")
      h.zero_threshold = number;
    else if (name == "offset")
      offset = whole;
    else if (name == "n_offset")
      negative_offset = whole;
    else
      return bad(fmt::format("a histogram has no {}", promql::quote(name)));
    return {};
  }

  static Status numbers(std::string_view list, std::vector<double>& out) {
    while (!list.empty()) {
      const size_t end = std::min(list.find_first_of(" \t\n"), list.size());
      if (end > 0) {
        HS_ASSIGN(const double value, promql::parse_go_number(list.substr(0, end)));
        out.push_back(value);
      }
      list.remove_prefix(std::min(end + 1, list.size()));
    }
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<NotedValue> out_;
};

std::string joined(const std::vector<double>& values) {
  std::string out;
  for (const double v : values) out += (out.empty() ? "" : " ") + promql::format_g(v);
  return out;
}

// One half as one span: gaps are zeros.
std::string half_text(const std::vector<promql::BucketSpan>& spans, const std::vector<double>& counts,
                      std::string_view buckets_name, std::string_view offset_name) {
  if (counts.empty()) return "";
  std::vector<double> dense;
  size_t next = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (i > 0) dense.resize(dense.size() + static_cast<size_t>(std::max(spans[i].offset, 0)));
    for (uint32_t k = 0; k < spans[i].length && next < counts.size(); ++k) dense.push_back(counts[next++]);
  }
  std::string out;
  if (spans[0].offset != 0) out += fmt::format(" {}:{}", offset_name, spans[0].offset);
  return out + fmt::format(" {}:[{}]", buckets_name, joined(dense));
}

}  // namespace

Result<std::vector<NotedValue>> parse_values(std::string_view text) { return Values(text).read(); }

Result<promql::Labels> parse_metric(std::string_view text) {
  std::string_view trimmed = text;
  while (!trimmed.empty() && is_blank(trimmed.back())) trimmed.remove_suffix(1);
  while (!trimmed.empty() && is_blank(trimmed.front())) trimmed.remove_prefix(1);
  if (trimmed.empty() || trimmed == "{}") return promql::Labels{};
  const auto matchers = promql::parse_selector(trimmed);
  if (!matchers) return bad(matchers.error().message);
  std::vector<promql::Label> labels;
  for (const promql::Matcher& m : *matchers) {
    if (m.type() != promql::MatchType::equal) return bad(fmt::format("{}: a series has labels with = only", m.text()));
    labels.push_back({m.name(), m.value()});
  }
  return promql::Labels::from(std::move(labels));
}

std::string to_notation(const promql::HistogramPtr& histogram) {
  if (!histogram) return "";
  const HistogramPtr h = promql::HistogramSum(*histogram).finish();
  std::string out;
  if (h->schema != 0) out += fmt::format(" schema:{}", h->schema);
  if (h->count != 0) out += " count:" + promql::format_g(h->count);
  if (h->sum != 0) out += " sum:" + promql::format_g(h->sum);
  if (h->zero_count != 0) out += " z_bucket:" + promql::format_g(h->zero_count);
  if (h->zero_threshold != 0) out += " z_bucket_w:" + promql::format_g(h->zero_threshold);
  if (!h->custom_values.empty()) out += fmt::format(" custom_values:[{}]", joined(h->custom_values));
  if (histogram->hint == promql::ResetHint::reset) out += " counter_reset_hint:reset";
  if (histogram->hint == promql::ResetHint::not_reset) out += " counter_reset_hint:not_reset";
  if (histogram->hint == promql::ResetHint::gauge) out += " counter_reset_hint:gauge";
  out += half_text(h->positive_spans, h->positive, "buckets", "offset");
  out += half_text(h->negative_spans, h->negative, "n_buckets", "n_offset");
  return "{{" + (out.empty() ? out : out.substr(1)) + "}}";
}

}  // namespace hs::rules
