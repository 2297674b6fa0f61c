#pragma once
// A remote write 1.0 request that this process makes itself: what rules, scrapes and span metrics derive becomes the
// bytes that decode_write() reads, so that the journal can replay it. prompb/remote.proto and types.proto.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/attributes.h"

namespace hs::wire::prometheus {

class WriteEncoder {
 public:
  // __name__ is one of them; in any order, names unique.
  using Labels = std::span<const model::Attribute>;

  struct Sample {
    int64_t time_ms = 0;
    double value = 0;
    int64_t start_ms = 0;  // when what it counts began; 0: not known. As remote write 2.0 has it; our decoder knows
  };
  struct Exemplar {
    std::vector<model::Attribute> labels;  // trace_id and span_id by these names
    int64_t time_ms = 0;
    double value = 0;
  };
  struct Span {
    int32_t offset = 0;  // gap to the bucket after the span before; of the first: its bucket's index
    uint32_t length = 0;
  };
  // With float counts, absolute, one for each bucket of the spans.
  struct Histogram {
    int64_t time_ms = 0;
    double count = 0, sum = 0, zero_count = 0, zero_threshold = 0;
    int32_t schema = 0;
    uint8_t reset_hint = 0;  // 0 unknown 1 yes 2 no 3 gauge
    std::vector<Span> positive_spans, negative_spans;
    std::vector<double> positive, negative;
    std::vector<double> custom_values;  // with schema -53
  };
  enum class FamilyType : uint8_t { unknown, counter, gauge, histogram, gauge_histogram, summary, info, stateset };

  void series(Labels labels, std::span<const Sample> samples, std::span<const Exemplar> exemplars = {});
  void sample(Labels labels, int64_t time_ms, double value);
  void histogram(Labels labels, const Histogram& histogram) { points(labels, {}, {&histogram, 1}); }
  // One series with both kinds of points.
  void points(Labels labels, std::span<const Sample> samples, std::span<const Histogram> histograms);
  // `message` is a prometheus.Histogram without its time and its start.
  void histogram_message(Labels labels, std::string_view message, const Sample& times,
                         std::span<const Exemplar> exemplars);
  // The end of a series of native histograms.
  void stale_histogram(Labels labels, int64_t time_ms);
  void family(std::string_view name, FamilyType type, std::string_view help, std::string_view unit);

  bool empty() const { return bytes_.empty(); }
  // For those who keep a request below a receiver's bound: start another one in time.
  size_t size() const { return bytes_.size(); }
  std::string take() { return std::exchange(bytes_, {}); }

 private:
  std::string bytes_;
};

}  // namespace hs::wire::prometheus
