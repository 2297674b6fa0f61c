#include "wire/prometheus/write_encoder.h"

#include <bit>
#include <protozero/pbf_writer.hpp>

namespace hs::wire::prometheus {
namespace {

using protozero::pbf_writer;

void add_text(pbf_writer& to, uint32_t tag, std::string_view text) { to.add_string(tag, text.data(), text.size()); }

void add_labels(pbf_writer& to, uint32_t tag, WriteEncoder::Labels labels) {
  for (const model::Attribute& one : labels) {
    pbf_writer label(to, tag);
    add_text(label, 1, one.key);
    add_text(label, 2, one.value);
  }
}

void add_exemplars(pbf_writer& series, std::span<const WriteEncoder::Exemplar> exemplars) {
  for (const WriteEncoder::Exemplar& one : exemplars) {
    pbf_writer exemplar(series, 3);
    add_labels(exemplar, 1, one.labels);
    exemplar.add_double(2, one.value);
    exemplar.add_int64(3, one.time_ms);
  }
}

void add_half(pbf_writer& to, uint32_t spans_tag, uint32_t counts_tag, const std::vector<WriteEncoder::Span>& spans,
              const std::vector<double>& counts) {
  for (const WriteEncoder::Span& one : spans) {
    pbf_writer span(to, spans_tag);
    span.add_sint32(1, one.offset);
    span.add_uint32(2, one.length);
  }
  to.add_packed_double(counts_tag, counts.begin(), counts.end());
}

void add_samples(pbf_writer& series, std::span<const WriteEncoder::Sample> samples) {
  for (const WriteEncoder::Sample& one : samples) {
    pbf_writer sample(series, 2);
    sample.add_double(1, one.value);
    sample.add_int64(2, one.time_ms);
    if (one.start_ms != 0) sample.add_int64(3, one.start_ms);
  }
}

void add_histogram(pbf_writer& series, const WriteEncoder::Histogram& h) {
  pbf_writer out(series, 4);
  out.add_double(2, h.count);
  out.add_double(3, h.sum);
  out.add_sint32(4, h.schema);
  out.add_double(5, h.zero_threshold);
  out.add_double(7, h.zero_count);
  add_half(out, 8, 10, h.negative_spans, h.negative);
  add_half(out, 11, 13, h.positive_spans, h.positive);
  out.add_enum(14, h.reset_hint);
  out.add_int64(15, h.time_ms);
  out.add_packed_double(16, h.custom_values.begin(), h.custom_values.end());
}

}  // namespace

void WriteEncoder::series(Labels labels, std::span<const Sample> samples, std::span<const Exemplar> exemplars) {
  pbf_writer request(bytes_);
  pbf_writer series(request, 1);
  add_labels(series, 1, labels);
  add_samples(series, samples);
  add_exemplars(series, exemplars);
}

void WriteEncoder::histogram_message(Labels labels, std::string_view message, const Sample& times,
                                     std::span<const Exemplar> exemplars) {
  std::string timed(message);
  {
    pbf_writer end(timed);
    end.add_int64(15, times.time_ms);
    if (times.start_ms != 0) end.add_int64(17, times.start_ms);
  }
  pbf_writer request(bytes_);
  pbf_writer series(request, 1);
  add_labels(series, 1, labels);
  series.add_message(4, timed);
  add_exemplars(series, exemplars);
}

void WriteEncoder::sample(Labels labels, int64_t time_ms, double value) {
  const Sample one{time_ms, value};
  series(labels, {&one, 1});
}

void WriteEncoder::points(Labels labels, std::span<const Sample> samples, std::span<const Histogram> histograms) {
  pbf_writer request(bytes_);
  pbf_writer series(request, 1);
  add_labels(series, 1, labels);
  add_samples(series, samples);
  for (const Histogram& one : histograms) add_histogram(series, one);
}

void WriteEncoder::stale_histogram(Labels labels, int64_t time_ms) {
  constexpr uint64_t stale_bits = 0x7ff0000000000002;
  std::string message;
  pbf_writer(message).add_double(3, std::bit_cast<double>(stale_bits));
  histogram_message(labels, message, {time_ms, 0}, {});
}

void WriteEncoder::family(std::string_view name, FamilyType type, std::string_view help, std::string_view unit) {
  pbf_writer request(bytes_);
  pbf_writer family(request, 3);
  family.add_enum(1, static_cast<int32_t>(type));
  add_text(family, 2, name);
  add_text(family, 4, help);
  add_text(family, 5, unit);
}

}  // namespace hs::wire::prometheus
