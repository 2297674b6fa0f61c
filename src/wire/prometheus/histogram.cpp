// Native histograms: spans and deltas become dense buckets. prompb/types.proto, message Histogram.

#include <limits>

#include "wire/prometheus/write_builder.h"

namespace hs::wire::prometheus {
namespace {

using model::Buckets;
using model::Distribution;

constexpr int32_t scale_min = -4, scale_max = 8;

struct Span {
  int32_t offset = 0;
  uint32_t length = 0;
};

// One half of a histogram, as sent: integers as differences, or floats as they are.
struct Half {
  std::vector<Span> spans;
  std::vector<int64_t> deltas;
  std::vector<double> counts;
};

Span read_span(std::string_view message) {
  Span span;
  pbf_reader r(message.data(), message.size());
  while (r.next()) {
    switch (r.tag_and_type()) {
      case varint(1):
        span.offset = r.get_sint32();
        break;
      case varint(2):
        span.length = r.get_uint32();
        break;
      default:
        r.skip();
    }
  }
  return span;
}

// Packed or one by one, as protobuf allows. What is beyond the limit is not kept; one more tells that it was.
void read_deltas(pbf_reader& r, std::vector<int64_t>& out, size_t most) {
  for (const int64_t delta : r.get_packed_sint64())
    if (out.size() <= most) out.push_back(delta);
}

void read_doubles(pbf_reader& r, std::vector<double>& out, size_t most) {
  for (const double value : r.get_packed_double())
    if (out.size() <= most) out.push_back(value);
}

struct Dense {
  Half half;
  size_t most;
  bool good = true;
  int64_t running = 0;
  size_t next = 0;

  size_t given(bool is_float) const { return is_float ? half.counts.size() : half.deltas.size(); }

  void take(Buckets& out, bool is_float) {
    if (!is_float) {
      if (__builtin_add_overflow(running, half.deltas[next], &running) || running < 0) good = false;
      out.counts.push_back(good ? static_cast<uint64_t>(running) : 0);
    } else {
      out.float_counts.push_back(half.counts[next]);
    }
    ++next;
  }

  void gap(Buckets& out, bool is_float, size_t buckets) {
    if (is_float)
      out.float_counts.resize(out.float_counts.size() + buckets);
    else
      out.counts.resize(out.counts.size() + buckets);
  }

  // Buckets in a row, from the first span's offset on. False when spans and counts do not fit each other.
  bool fill(Buckets& out, bool is_float) {
    int64_t at = 0;  // index of the next bucket
    bool first = true;
    for (const Span& span : half.spans) {
      if (!first && span.offset < 0) return false;
      at += span.offset;
      if (first) out.offset = span.offset;
      const int64_t used = first ? 0 : at - out.offset;
      const auto have = static_cast<int64_t>(is_float ? out.float_counts.size() : out.counts.size());
      if (used + span.length > static_cast<int64_t>(most) || next + span.length > given(is_float)) return false;
      if (span.length > 0 && used > have) gap(out, is_float, static_cast<size_t>(used - have));
      for (uint32_t i = 0; i < span.length; ++i) take(out, is_float);
      at += span.length;
      first = false;
    }
    return good && next == given(is_float);
  }
};

struct Reader {
  uint32_t buckets_max;
  HistogramRow row;
  Half positive, negative;
  std::vector<double> custom;

  void read(pbf_reader r) {
    while (r.next()) field(r);
  }

  void field(pbf_reader& r) {
    Distribution& d = row.distribution;
    switch (r.tag_and_type()) {
      case varint(1):
        d.count = r.get_uint64();
        break;
      case fixed64(2):
        d.float_count = r.get_double();
        d.is_float = true;
        break;
      case fixed64(3):
        d.sum = r.get_double();
        break;
      case varint(4):
        d.scale = r.get_sint32();
        break;
      case fixed64(5):
        d.zero_threshold = r.get_double();
        break;
      case varint(6):
        d.zero_count = r.get_uint64();
        break;
      case fixed64(7):
        d.float_zero_count = r.get_double();
        break;
      case varint(14):
        d.reset_hint = static_cast<uint8_t>(r.get_uint64() & 3);
        break;
      case varint(15):
        row.time_ms = r.get_int64();
        break;
      case varint(17):
        row.start_ms = r.get_int64();
        break;
      default:
        buckets(r);
    }
  }

  void buckets(pbf_reader& r) {
    switch (r.tag_and_type()) {
      case bytes(8):
        return span(r, negative);
      case bytes(9):
        return read_deltas(r, negative.deltas, buckets_max);
      case bytes(10):
        return read_doubles(r, negative.counts, buckets_max);
      case bytes(11):
        return span(r, positive);
      case bytes(12):
        return read_deltas(r, positive.deltas, buckets_max);
      case bytes(13):
        return read_doubles(r, positive.counts, buckets_max);
      case bytes(16):
        return read_doubles(r, custom, buckets_max);
      default:
        r.skip();
    }
  }

  void span(pbf_reader& r, Half& half) {
    const Span span = read_span(view_of(r));
    if (half.spans.size() <= buckets_max) half.spans.push_back(span);
  }

  // Custom buckets are counted from 0; the others lie one lower than OpenTelemetry's of the same bounds.
  bool complete() {
    Distribution& d = row.distribution;
    d.has_sum = true;
    const bool is_custom = d.scale == model::custom_buckets_scale;
    if (!is_custom && (d.scale < scale_min || d.scale > scale_max || !custom.empty())) return false;
    const auto too_many = [&](const Half& h) { return h.spans.size() > buckets_max; };
    if (custom.size() > buckets_max || too_many(positive) || too_many(negative)) return false;
    if (!Dense{positive, buckets_max}.fill(d.positive, d.is_float)) return false;
    if (!Dense{negative, buckets_max}.fill(d.negative, d.is_float)) return false;
    if (is_custom) return complete_custom(d);
    return lower(d.positive) && lower(d.negative);
  }

  bool complete_custom(Distribution& d) {
    d.bounds = std::move(custom);
    const size_t last = d.bounds.size() + 1;  // the bucket up to +Inf
    const size_t length = d.positive.counts.size() + d.positive.float_counts.size();
    return negative.spans.empty() && d.positive.offset >= 0 && static_cast<size_t>(d.positive.offset) + length <= last;
  }

  static bool lower(Buckets& buckets) {
    if (buckets.offset == std::numeric_limits<int32_t>::min()) return false;
    if (!buckets.counts.empty() || !buckets.float_counts.empty()) --buckets.offset;
    return true;
  }
};

}  // namespace

HistogramRow read_histogram(std::string_view message, uint32_t buckets_max) {
  Reader reader{buckets_max, {}, {}, {}, {}};
  reader.read(pbf_reader(message.data(), message.size()));
  reader.row.good = reader.complete();
  return std::move(reader.row);
}

}  // namespace hs::wire::prometheus
