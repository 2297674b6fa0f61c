// io.prometheus.client.MetricFamily messages, each with its length before it.

#include <cmath>
#include <optional>

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>
#include <protozero/varint.hpp>

#include "wire/prometheus/exposition_builder.h"
#include "wire/prometheus/utf8.h"
#include "wire/prometheus/write_builder.h"

namespace hs::wire::prometheus {
namespace {

using model::Attribute;
using FamilyType = WriteEncoder::FamilyType;

// MetricType of the message; by its number.
constexpr FamilyType types[] = {FamilyType::counter, FamilyType::gauge,     FamilyType::summary,
                                FamilyType::unknown, FamilyType::histogram, FamilyType::gauge_histogram};

std::optional<int64_t> read_timestamp(std::string_view message) {
  int64_t seconds = 0, nanos = 0;
  pbf_reader r(message.data(), message.size());
  while (r.next()) {
    if (r.tag_and_type() == varint(1))
      seconds = r.get_int64();
    else if (r.tag_and_type() == varint(2))
      nanos = r.get_int64();
    else
      r.skip();
  }
  constexpr int64_t seconds_max = INT64_MAX / 1'000'000'000;
  if (seconds < 0 || seconds > seconds_max || nanos < 0 || nanos >= 1'000'000'000) return std::nullopt;
  return seconds * 1000 + nanos / 1'000'000;
}

class ProtobufReader {
 public:
  explicit ProtobufReader(ExpositionBuilder& builder) : b_(builder) {}

  void read_family(std::string_view message) {
    Exposition::Family family;
    uint64_t type = 3;
    pbf_reader r(message.data(), message.size());
    while (r.next()) {
      switch (r.tag_and_type()) {
        case bytes(1):
          family.name = text(r);
          break;
        case bytes(2):
          family.help = text(r);
          break;
        case varint(3):
          type = r.get_uint64();
          break;
        case bytes(5):
          family.unit = text(r);
          break;
        default:
          r.skip();
      }
    }
    if (family.name.empty()) problem_ = "a metric family without a name";
    name_ = family.name;
    type_ = type < std::size(types) ? types[type] : FamilyType::unknown;
    Exposition::Family& known = b_.family(family.name);
    known = family;
    known.type = type_;
    for_each_message(message, [&](uint32_t field, std::string_view one) {
      if (field == bytes(4) && b_.within_budget() && problem_.empty()) read_metric(one);
    });
  }
  const std::string& problem() const { return problem_; }

 private:
  std::string_view text(pbf_reader& r) {
    const std::string_view view = view_of(r);
    if (!is_utf8(view)) problem_ = "a text is not valid UTF-8";
    return view;
  }

  void read_metric(std::string_view message) {
    labels_.clear();
    time_ms_ = Exposition::no_time;
    pbf_reader r(message.data(), message.size());
    while (r.next()) {
      if (r.tag_and_type() == bytes(1))
        labels_.push_back(read_label(view_of(r)));
      else if (r.tag_and_type() == varint(6))
        time_ms_ = r.get_int64();
      else
        r.skip();
      if (labels_.size() > b_.limits().labels_per_sample_max) problem_ = "more labels than any sample may have";
      if (!problem_.empty()) return;
    }
    for_each_message(message, [&](uint32_t field, std::string_view one) {
      if (field == bytes(2) || field == bytes(5)) read_number(one);
      if (field == bytes(3)) read_counter(one);
      if (field == bytes(4)) read_summary(one);
      if (field == bytes(7)) read_histogram(one);
    });
  }

  Attribute read_label(std::string_view message) {
    Attribute label;
    pbf_reader r(message.data(), message.size());
    while (r.next()) {
      if (r.tag_and_type() == bytes(1))
        label.key = text(r);
      else if (r.tag_and_type() == bytes(2))
        label.value = text(r);
      else
        r.skip();
    }
    return label;
  }

  void row(std::string_view suffix, double value, int64_t start_ms, std::string_view key = {}, double bound = 0) {
    begin_row(suffix);
    if (!key.empty()) (void)b_.add_label(key, b_.out.arena.copy(open_metrics_float(bound)));
    b_.end_sample(value, time_ms_, start_ms);
  }
  void begin_row(std::string_view suffix) {
    (void)b_.add_label("__name__",
                       suffix.empty() ? name_ : b_.out.arena.copy(std::string(name_) + std::string(suffix)));
    for (const Attribute& a : labels_) (void)b_.add_label(a.key, a.value);
  }

  static double first_double(std::string_view message, uint32_t tag) {
    double out = 0;
    pbf_reader r(message.data(), message.size());
    while (r.next()) {
      if (r.tag_and_type() == fixed64(tag))
        out = r.get_double();
      else
        r.skip();
    }
    return out;
  }

  void read_number(std::string_view message) { row("", first_double(message, 1), 0); }

  int64_t created_in(std::string_view message, uint32_t tag) const {
    int64_t out = 0;
    for_each_message(message, [&](uint32_t field, std::string_view one) {
      if (field == bytes(tag)) out = read_timestamp(one).value_or(0);
    });
    return out;
  }

  void read_counter(std::string_view message) {
    row("", first_double(message, 1), created_in(message, 3));
    for_each_message(message, [&](uint32_t field, std::string_view one) {
      if (field == bytes(2)) read_exemplar(one);
    });
  }

  // Of the row that was added last.
  void read_exemplar(std::string_view message) {
    Exposition::Exemplar e;
    pbf_reader r(message.data(), message.size());
    while (r.next()) {
      switch (r.tag_and_type()) {
        case bytes(1):
          e.labels.push_back(read_label(view_of(r)));
          break;
        case fixed64(2):
          e.value = r.get_double();
          break;
        case bytes(3):
          e.time_ms = read_timestamp(view_of(r)).value_or(Exposition::no_time);
          break;
        default:
          r.skip();
      }
      if (e.labels.size() > b_.limits().labels_per_sample_max) problem_ = "more labels than any exemplar may have";
    }
    e.sample = static_cast<uint32_t>(b_.out.size() - 1);
    b_.add_exemplar(std::move(e));
  }

  void read_summary(std::string_view message) {
    uint64_t count = 0;
    pbf_reader r(message.data(), message.size());
    while (r.next()) {
      if (r.tag_and_type() == varint(1))
        count = r.get_uint64();
      else
        r.skip();
    }
    const int64_t start = created_in(message, 4);
    row("_count", static_cast<double>(count), start);
    row("_sum", first_double(message, 2), start);
    for_each_message(message, [&](uint32_t field, std::string_view one) {
      if (field == bytes(3)) row("", first_double(one, 2), start, "quantile", first_double(one, 1));
    });
  }

  struct Histogram {
    uint64_t count = 0, zero_count = 0;
    double float_count = 0, sum = 0, zero_threshold = 0, float_zero_count = 0;
    int32_t schema = 0;
    bool has_spans = false;
    std::string spans;  // as prometheus.Histogram has them
    std::vector<int64_t> positive, negative;
    std::vector<double> float_positive, float_negative;
    bool is_float() const { return float_count > 0 || float_zero_count > 0; }
    bool is_native() const { return has_spans || zero_threshold > 0 || zero_count > 0 || float_zero_count > 0; }
    double total() const { return is_float() ? float_count : static_cast<double>(count); }
  };

  static void read_deltas(pbf_reader& r, std::vector<int64_t>& out) {
    if (r.wire_type() == protozero::pbf_wire_type::varint)
      out.push_back(r.get_sint64());
    else
      for (const int64_t v : r.get_packed_sint64()) out.push_back(v);
  }
  static void read_counts(pbf_reader& r, std::vector<double>& out) {
    if (r.wire_type() == protozero::pbf_wire_type::fixed64)
      out.push_back(r.get_double());
    else
      for (const double v : r.get_packed_double()) out.push_back(v);
  }

  // BucketSpan is the same message there; only its field's number is another one.
  static void copy_span(pbf_reader& r, uint32_t tag, Histogram& h) {
    const std::string_view span = view_of(r);
    protozero::pbf_writer(h.spans).add_message(tag, span.data(), span.size());
    h.has_spans = true;
  }

  static Histogram read_numbers(std::string_view message) {
    Histogram h;
    pbf_reader r(message.data(), message.size());
    while (r.next()) {
      switch (r.tag_and_type()) {
        case varint(1):
          h.count = r.get_uint64();
          break;
        case fixed64(2):
          h.sum = r.get_double();
          break;
        case fixed64(4):
          h.float_count = r.get_double();
          break;
        case varint(5):
          h.schema = r.get_sint32();
          break;
        case fixed64(6):
          h.zero_threshold = r.get_double();
          break;
        case varint(7):
          h.zero_count = r.get_uint64();
          break;
        case fixed64(8):
          h.float_zero_count = r.get_double();
          break;
        default:
          read_bucket_field(r, h);
      }
    }
    return h;
  }

  static void read_bucket_field(pbf_reader& r, Histogram& h) {
    switch (r.tag()) {
      case 9:
        return copy_span(r, 8, h);
      case 10:
        return read_deltas(r, h.negative);
      case 11:
        return read_counts(r, h.float_negative);
      case 12:
        return copy_span(r, 11, h);
      case 13:
        return read_deltas(r, h.positive);
      case 14:
        return read_counts(r, h.float_positive);
      default:
        r.skip();
    }
  }

  static std::string native_message(const Histogram& h, bool gauge) {
    std::string out;
    protozero::pbf_writer w(out);
    if (h.is_float())
      w.add_double(2, h.float_count), w.add_double(7, h.float_zero_count);
    else
      w.add_uint64(1, h.count), w.add_uint64(6, h.zero_count);
    w.add_double(3, h.sum);
    w.add_sint32(4, h.schema);
    w.add_double(5, h.zero_threshold);
    out += h.spans;
    w.add_packed_sint64(9, h.negative.begin(), h.negative.end());
    w.add_packed_double(10, h.float_negative.begin(), h.float_negative.end());
    w.add_packed_sint64(12, h.positive.begin(), h.positive.end());
    w.add_packed_double(13, h.float_positive.begin(), h.float_positive.end());
    if (gauge) w.add_enum(14, 3);
    return out;
  }

  void read_histogram(std::string_view message) {
    const Histogram h = read_numbers(message);
    const int64_t start = created_in(message, 15);
    const bool native = h.is_native() && b_.limits().native_histograms;
    if (native) {
      begin_row("");
      b_.end_histogram(native_message(h, type_ == FamilyType::gauge_histogram), time_ms_, start);
      for_each_message(message, [&](uint32_t field, std::string_view one) {
        if (field == bytes(16)) read_exemplar(one);
        if (field != bytes(3)) return;
        for_each_message(one, [&](uint32_t inner, std::string_view e) {
          if (inner == bytes(3)) read_exemplar(e);
        });
      });
    }
    if (!native || b_.limits().always_classic) read_classic(message, h, start);
  }

  void read_classic(std::string_view message, const Histogram& h, int64_t start) {
    bool infinite = false;
    for_each_message(message, [&](uint32_t field, std::string_view one) {
      if (field != bytes(3)) return;
      const double bound = first_double(one, 2), float_count = first_double(one, 4);
      uint64_t count = 0;
      pbf_reader r(one.data(), one.size());
      while (r.next()) {
        if (r.tag_and_type() == varint(1))
          count = r.get_uint64();
        else
          r.skip();
      }
      infinite = infinite || (std::isinf(bound) && bound > 0);
      row("_bucket", float_count > 0 ? float_count : static_cast<double>(count), start, "le", bound);
      for_each_message(one, [&](uint32_t inner, std::string_view e) {
        if (inner == bytes(3)) read_exemplar(e);
      });
    });
    if (!infinite) row("_bucket", h.total(), start, "le", std::numeric_limits<double>::infinity());
    row("_count", h.total(), start);
    row("_sum", h.sum, start);
  }

  ExpositionBuilder& b_;
  std::string_view name_;
  FamilyType type_ = FamilyType::unknown;
  std::vector<Attribute> labels_;
  int64_t time_ms_ = Exposition::no_time;
  std::string problem_;
};

}  // namespace

Status read_protobuf(std::string_view body, ExpositionBuilder& builder) {
  ProtobufReader reader(builder);
  const char* at = body.data();
  const char* const end = at + body.size();
  try {
    while (at < end && builder.within_budget()) {
      const uint64_t length = protozero::decode_varint(&at, end);
      if (length > static_cast<uint64_t>(end - at))
        return fail(Code::invalid_argument, "the answer ends within a metric family: it is cut");
      reader.read_family({at, length});
      if (!reader.problem().empty()) return fail(Code::invalid_argument, reader.problem());
      at += length;
    }
  } catch (const protozero::exception& e) {
    return fail(Code::invalid_argument, fmt::format("the answer is no delimited protobuf ({})", e.what()));
  }
  return {};
}

}  // namespace hs::wire::prometheus
