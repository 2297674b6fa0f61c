#include "promql/json.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "promql/buckets.h"
#include "promql/quote.h"
#include "promql/utf8.h"

namespace hs::promql {
namespace {

void write_float_point(std::string& out, const FloatPoint& point) {
  out += '[';
  write_json_time(out, point.t_ms);
  out += ',';
  write_json_float(out, point.v);
  out += ']';
}

void write_histogram_point(std::string& out, const HistogramPoint& point) {
  out += '[';
  write_json_time(out, point.t_ms);
  out += ',';
  write_json_histogram(out, *point.h);
  out += ']';
}

void write_sample(std::string& out, const Sample& sample) {
  out += R"({"metric":)";
  write_json_labels(out, sample.labels);
  out += sample.h ? R"(,"histogram":)" : R"(,"value":)";
  if (sample.h) {
    write_histogram_point(out, {sample.t_ms, sample.h});
  } else {
    write_float_point(out, {sample.t_ms, sample.f});
  }
  out += '}';
}

template <class List, class Write>
void write_list(std::string& out, const List& list, Write write) {
  out += '[';
  for (size_t i = 0; i < list.size(); ++i) {
    if (i > 0) out += ',';
    write(out, list[i]);
  }
  out += ']';
}

void write_series(std::string& out, const Series& series) {
  out += R"({"metric":)";
  write_json_labels(out, series.labels);
  if (!series.floats.empty()) {
    out += R"(,"values":)";
    write_list(out, series.floats, write_float_point);
  }
  if (!series.histograms.empty()) {
    out += R"(,"histograms":)";
    write_list(out, series.histograms, write_histogram_point);
  }
  out += '}';
}

// 0: lower open, upper closed; 1: lower closed, upper open; 2: both open; 3: both closed.
int boundaries(const Bucket& b) {
  if (b.lower_inclusive) return b.upper_inclusive ? 3 : 1;
  return b.upper_inclusive ? 0 : 2;
}

}  // namespace

bool is_stale(double value) { return std::bit_cast<uint64_t>(value) == stale_bits; }
double stale_marker() { return std::bit_cast<double>(stale_bits); }

void write_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    const Rune rune = decode_rune(text.substr(at));
    if (rune.code == '"' || rune.code == '\\') {
      out += '\\';
      out += static_cast<char>(rune.code);
    } else if (rune.code == '\n') {
      out += "\\n";
    } else if (rune.code < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(rune.code));
    } else if (rune.valid) {
      out += text.substr(at, rune.size);
    } else {
      append_rune(out, 0xfffd);
    }
    at += rune.size;
  }
  out += '"';
}

void write_json_time(std::string& out, int64_t t_ms) {
  uint64_t magnitude = static_cast<uint64_t>(t_ms);
  if (t_ms < 0) {
    out += '-';
    magnitude = -magnitude;
  }
  out += fmt::format_int(magnitude / 1000).str();
  if (const uint64_t fraction = magnitude % 1000; fraction != 0) out += fmt::format(".{:03d}", fraction);
}

void write_json_float(std::string& out, double v) {
  const double magnitude = std::abs(v);
  out += '"';
  out += magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21) ? format_exponent(v) : format_float(v);
  out += '"';
}

void write_json_histogram(std::string& out, const Histogram& h) {
  out += R"({"count":)";
  write_json_float(out, h.count);
  out += R"(,"sum":)";
  write_json_float(out, h.sum);
  bool any = false;
  for (const Bucket& b : all_buckets(h)) {
    if (b.count == 0) continue;
    out += any ? "," : R"(,"buckets":[)";
    any = true;
    out += '[';
    out += static_cast<char>('0' + boundaries(b));
    for (const double value : {b.lower, b.upper, b.count}) {
      out += ',';
      write_json_float(out, value);
    }
    out += ']';
  }
  out += any ? "]}" : "}";
}

void write_json_labels(std::string& out, const Labels& labels) {
  out += '{';
  bool any = false;
  for (const Label& label : labels) {
    if (any) out += ',';
    any = true;
    write_json_string(out, label.name);
    out += ':';
    write_json_string(out, label.value);
  }
  out += '}';
}

void write_json_data(std::string& out, const Value& value) {
  static constexpr std::string_view names[] = {"scalar", "string", "vector", "matrix"};
  out += R"("resultType":")";
  out += names[value.index()];
  out += R"(","result":)";
  if (const auto* scalar = std::get_if<Scalar>(&value)) {
    write_float_point(out, {scalar->t_ms, scalar->v});
  } else if (const auto* string = std::get_if<String>(&value)) {
    out += '[';
    write_json_time(out, string->t_ms);
    out += ',';
    write_json_string(out, string->v);
    out += ']';
  } else if (const auto* vector = std::get_if<Vector>(&value)) {
    write_list(out, *vector, write_sample);
  } else {
    write_list(out, std::get<Matrix>(value), write_series);
  }
}

}  // namespace hs::promql
