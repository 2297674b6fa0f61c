#pragma once
// What a scraped target answers: Prometheus' text format 0.0.4 (and 1.0.0: quoted names), OpenMetrics text 1.0, and
// protobuf (io.prometheus.client.MetricFamily, each with its length before it; native histograms).
// https://prometheus.io/docs/instrumenting/exposition_formats/, https://prometheus.io/docs/specs/om/open_metrics_spec/
//
// As in Prometheus 3: values of `le` and `quantile` get one form ("1" becomes "1.0"); _created samples of OpenMetrics
// stay series, and are the start time of the samples of their metric too.
//
// Pure: no clock, no state.

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/attributes.h"
#include "wire/prometheus/write_encoder.h"

namespace hs::wire::prometheus {

enum class ExpositionFormat : uint8_t { text, open_metrics, protobuf };

struct ExpositionLimits {
  size_t decoded_bytes_max = 256 << 20;  // of the columns below: a body of short lines becomes many times its size
  uint32_t labels_per_sample_max = 256;  // as remote write's
  // Protobuf: take native histograms; and then the classic buckets of the same metric too.
  bool native_histograms = false, always_classic = false;
};

// Columns: one entry a sample unless it says otherwise. Text is viewed in `arena`.
struct Exposition {
  static constexpr int64_t no_time = std::numeric_limits<int64_t>::min();
  static constexpr uint32_t no_histogram = UINT32_MAX;
  struct Family {
    std::string_view name;
    WriteEncoder::FamilyType type = WriteEncoder::FamilyType::unknown;
    std::string_view help, unit;
  };
  struct Exemplar {
    uint32_t sample = 0;
    std::vector<model::Attribute> labels;
    double value = 0;
    int64_t time_ms = no_time;
  };

  model::Arena arena;
  model::AttributeColumn labels;  // __name__ is the first of each
  std::vector<double> value;
  std::vector<int64_t> time_ms;   // no_time: that of the scrape
  std::vector<int64_t> start_ms;  // 0: not told
  std::vector<uint32_t> histogram;
  std::vector<std::string> histograms;  // prometheus.Histogram messages without their time
  std::vector<Exemplar> exemplars;      // by sample
  std::vector<Family> families;
  size_t size() const { return value.size(); }
};

// Errors: invalid_argument (with the line, or the place), too_large. All or nothing, as Prometheus.
Result<Exposition> parse_exposition(std::string body, ExpositionFormat format, const ExpositionLimits& limits);

// A number as OpenMetrics writes it in `le` and `quantile`: "1.0", "0.25", "1e+06", "+Inf".
std::string open_metrics_float(double value);

}  // namespace hs::wire::prometheus
