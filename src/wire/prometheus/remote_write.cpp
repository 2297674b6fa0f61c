#include "wire/prometheus/remote_write.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "model/canonical.h"
#include "wire/prometheus/utf8.h"
#include "wire/prometheus/write_builder.h"

namespace hs::wire::prometheus {
namespace {

using model::Attribute;
using model::Points;

// What the columns of one take, beside labels.
constexpr size_t point_bytes = 80, exemplar_bytes = 80, context_bytes = 200;

constexpr std::array<std::string_view, static_cast<size_t>(Note::count_)> note_texts = {
    "a series needs the label __name__",
    "label names must not be empty or repeated; names and values are UTF-8",
    "a series refers to a symbol that the request does not have",
    "more labels in one series than the limit",
    "a metric's or label's name or a label's value is longer than the limit",
    "older than what is kept (retention) or than 1970",
    "more than an hour in the future",
    "one request touches more windows of 6 h than the limit: send it in several",
    "native histograms need fitting spans and counts, a schema of -4..8 or -53, and not too many buckets",
    "more exemplars of one series than the limit"};

constexpr std::array<std::string_view, 8> family_types = {"unknown",        "counter", "gauge", "histogram",
                                                          "gaugehistogram", "summary", "info",  "stateset"};

// The bounds of a note, and the settings that change them.
std::string bound_text(Note note, const WriteLimits& limits) {
  if (note == Note::labels_over) return fmt::format(" of {} (limits.attributes)", limits.labels_per_series_max);
  if (note != Note::size) return "";
  return fmt::format(" ({} bytes for names, limits.key_bytes; {} for values, limits.value_bytes)",
                     limits.name_bytes_max, limits.value_bytes_max);
}

Attribute read_label(std::string_view message) {
  Attribute label;
  for_each_message(message, [&](uint32_t field, std::string_view text) {
    if (field == bytes(1)) label.key = text;
    if (field == bytes(2)) label.value = text;
  });
  return label;
}

std::string_view value_of(const std::vector<Attribute>& labels, std::string_view key) {
  const auto at = std::find_if(labels.begin(), labels.end(), [&](const Attribute& a) { return a.key == key; });
  return at == labels.end() ? std::string_view() : at->value;
}

// value, time and start of a Sample (fields 1, 2, 3), value and time of an Exemplar (fields 2, 3).
struct Sample {
  double value = 0;
  int64_t time_ms = 0, start_ms = 0;
};
Sample read_value(std::string_view message, uint32_t value_tag) {
  Sample sample;
  pbf_reader r(message.data(), message.size());
  while (r.next()) {
    if (r.tag_and_type() == fixed64(value_tag))
      sample.value = r.get_double();
    else if (r.tag_and_type() == varint(value_tag + 1))
      sample.time_ms = r.get_int64();
    else if (r.tag_and_type() == varint(value_tag + 2))
      sample.start_ms = r.get_int64();
    else
      r.skip();
  }
  return sample;
}

// 16 or 8 bytes from hex digits; all zero when the text is something else.
model::TraceId trace_id_of(std::string_view text) {
  model::TraceId id{};
  const auto raw = from_hex(text);
  if (raw && raw->size() == id.size()) std::copy(raw->begin(), raw->end(), id.begin());
  return id;
}
model::SpanId span_id_of(std::string_view text) {
  const auto raw = from_hex(text);
  model::SpanId id = 0;
  if (!raw || raw->size() != sizeof(id)) return 0;
  for (const char c : *raw) id = id << 8 | static_cast<uint8_t>(c);
  return id;
}

}  // namespace

WriteBuilder::WriteBuilder(const WriteLimits& limits, WriteVersion version) : limits_(limits), version_(version) {
  batch_.signal = model::Signal::metrics;
  batch_.any_time = limits.oldest == 0;
  model::Scope scope;
  model::canonicalise(scope);
  batch_.scopes.push_back(std::move(scope));
}

Result<model::Batch> WriteBuilder::read(std::string body) {
  const std::string_view request = batch_.arena.adopt(std::move(body));
  const bool second = version_ == WriteVersion::two;
  try {
    if (second) read_symbols(request);
    for_each_message(request, [&](uint32_t field, std::string_view message) {
      if (!within_budget()) return;
      if (field == bytes(second ? 5 : 1)) read_series(message);
      if (field == bytes(3) && !second) read_family(message);
    });
  } catch (const protozero::exception& e) {
    return fail(Code::invalid_argument,
                fmt::format("the body is no remote write {}.0 request ({})", static_cast<int>(version_), e.what()));
  }
  return finish();
}

Result<model::Batch> WriteBuilder::finish() {
  if (!within_budget())
    return fail(Code::too_large, fmt::format("the request needs more than {} bytes when decoded: send it in several",
                                             limits_.decoded_bytes_max));
  for (size_t i = 0; i < notes_.size(); ++i) {
    if (notes_[i] == 0) continue;
    if (!batch_.rejected_why.empty()) batch_.rejected_why += "; ";
    constexpr size_t shown_bytes = 64;  // of a name: enough to recognise it
    batch_.rejected_why +=
        fmt::format("{} samples rejected: {}{}", notes_[i], note_texts[i], bound_text(static_cast<Note>(i), limits_));
    if (!first_[i].empty())
      batch_.rejected_why += fmt::format(", the first of '{}'", repair_utf8(utf8_prefix(first_[i], shown_bytes)));
  }
  if (batch_.rejected != 0 && batch_.size() == 0) return fail(Code::invalid_argument, std::move(batch_.rejected_why));
  return std::move(batch_);
}

bool WriteBuilder::read_labels(std::string_view message, uint32_t tag, std::vector<Attribute>& items) {
  bool fits = true;
  for_each_message(message, [&](uint32_t field, std::string_view label) {
    if (field != bytes(tag)) return;
    fits = fits && items.size() < limits_.labels_per_series_max;
    if (fits) items.push_back(read_label(label));
  });
  return fits;
}

// Sorted, without the name and without empty values, which mean that there is no such label.
bool WriteBuilder::valid(Series& series) {
  auto& items = series.items;
  std::sort(items.begin(), items.end(), [](const Attribute& a, const Attribute& b) { return a.key < b.key; });
  for (size_t i = 0; i < items.size(); ++i) {
    const Attribute& a = items[i];
    if (a.key.empty() || (i > 0 && items[i - 1].key == a.key)) return reject(Note::labels, series);
    const size_t most = a.key == "__name__" ? limits_.name_bytes_max : limits_.value_bytes_max;
    if (a.key.size() > limits_.name_bytes_max || a.value.size() > most) return reject(Note::size, series);
    if (!is_utf8(a.key) || !is_utf8(a.value)) return reject(Note::labels, series);
  }
  series.name = value_of(items, "__name__");
  if (series.name.empty()) return reject(Note::no_name, series);
  std::erase_if(items, [](const Attribute& a) { return a.key == "__name__" || a.value.empty(); });
  series.job = value_of(items, "job");
  series.instance = value_of(items, "instance");
  return true;
}

bool WriteBuilder::reject(Note why, const Series& series) {
  if (notes_[static_cast<size_t>(why)] == 0) first_[static_cast<size_t>(why)] = value_of(series.items, "__name__");
  note(why, series.samples + series.exemplars);
  return false;
}

bool WriteBuilder::labels_of(std::string_view message, Series& series) {
  if (version_ == WriteVersion::one)
    return read_labels(message, 1, series.items) ? valid(series) : reject(Note::labels_over, series);
  const Refs refs = read_refs(message, series.items);
  if (refs == Refs::good) return valid(series);
  return reject(refs == Refs::bad ? Note::references : Note::labels_over, series);
}

void WriteBuilder::read_series(std::string_view message) {
  Series series;
  for_each_message(message, [&](uint32_t field, std::string_view) {
    series.samples += field == bytes(tags_.sample) || field == bytes(tags_.histogram) ? 1 : 0;
    series.exemplars += field == bytes(tags_.exemplar) ? 1 : 0;
  });
  const bool second = version_ == WriteVersion::two;
  if (series.samples + series.exemplars == 0 && !second) return;
  if (!labels_of(message, series)) return;
  if (second) read_head(message, series);
  for_each_message(message, [&](uint32_t field, std::string_view one) {
    if (!within_budget()) return;
    if (field == bytes(tags_.sample)) read_sample(series, one);
    if (field == bytes(tags_.histogram)) read_native(series, one);
  });
  series.first_exemplar = batch_.points.exemplars.point.size();
  for_each_message(message, [&](uint32_t field, std::string_view one) {
    if (field == bytes(tags_.exemplar) && within_budget()) read_exemplar(series, one);
  });
}

uint32_t WriteBuilder::resource_of(std::string_view job, std::string_view instance) {
  const uint64_t key = hash64(instance, hash64(job) + instance.size());
  const auto [at, added] = resources_.try_emplace(key, static_cast<uint32_t>(batch_.resources.size()));
  if (!added) return at->second;
  model::Resource resource;
  if (!job.empty()) resource.attributes.push_back({"service.name", job});
  if (!instance.empty()) resource.attributes.push_back({"service.instance.id", instance});
  model::canonicalise(resource);
  charged_ += context_bytes + sizeof(resource);
  batch_.resources.push_back(std::move(resource));
  return at->second;
}

uint32_t WriteBuilder::metric_of(Series& series) {
  if (series.metric >= 0) return static_cast<uint32_t>(series.metric);
  const uint32_t resource = resource_of(series.job, series.instance);
  const auto [at, added] =
      metrics_.try_emplace(hash64(series.name, resource), static_cast<uint32_t>(batch_.points.metrics.size()));
  if (added) {
    model::Metric metric;
    metric.name = series.name;
    metric.kind = model::MetricKind::untyped;
    metric.resource = resource;
    charged_ += context_bytes + sizeof(metric);
    batch_.points.metrics.push_back(std::move(metric));
  }
  series.metric = at->second;
  return at->second;
}

// A start that is not before the point tells nothing.
void WriteBuilder::push_row(Series& series, UnixNanos time, int64_t start_ms) {
  Points& p = batch_.points;
  if (start_ms == 0) start_ms = series.created_ms;
  const bool has_start = start_ms > 0 && start_ms < time / nanos_per_ms;
  p.metric.push_back(metric_of(series));
  p.time.push_back(time);
  p.start_time.push_back(has_start ? start_ms * nanos_per_ms : 0);
  p.flags.push_back(0);
  p.value.push_back(0);
  p.int_value.push_back(0);
  p.is_int.push_back(0);
  p.distribution.push_back(Points::no_distribution);
  for (const Attribute& a : series.items) p.attributes.push(a);
  p.attributes.end_row();
  charged_ += point_bytes + series.items.size() * sizeof(Attribute);
}

bool WriteBuilder::good_time(int64_t time_ms, UnixNanos& time) {
  const auto refuse = [&](Note why) {
    note(why, 1);
    return false;
  };
  if (time_ms < 0) return refuse(Note::too_old);
  if (time_ms > INT64_MAX / nanos_per_ms) return refuse(Note::too_new);
  time = time_ms * nanos_per_ms;
  if (time < limits_.oldest) return refuse(Note::too_old);
  if (time > limits_.newest) return refuse(Note::too_new);
  const int64_t window = time / nanos_per_s / limits_.window_s;
  if (windows_.contains(window)) return true;
  if (windows_.size() >= limits_.windows_max) return refuse(Note::windows);
  windows_.insert(window);
  return true;
}

void WriteBuilder::read_sample(Series& series, std::string_view message) {
  const Sample sample = read_value(message, 1);
  UnixNanos time = 0;
  if (!good_time(sample.time_ms, time)) return;
  push_row(series, time, sample.start_ms);
  batch_.points.value.back() = sample.value;
}

void WriteBuilder::read_native(Series& series, std::string_view message) {
  HistogramRow row = read_histogram(message, limits_.buckets_per_histogram_max);
  UnixNanos time = 0;
  if (!row.good) return note(Note::histogram, 1);
  if (!good_time(row.time_ms, time)) return;
  push_row(series, time, row.start_ms);
  const model::Distribution& d = row.distribution;
  charged_ += sizeof(d) + 8 * (d.bounds.size() + d.positive.counts.size() + d.positive.float_counts.size() +
                               d.negative.counts.size() + d.negative.float_counts.size());
  batch_.points.distribution.back() = static_cast<uint32_t>(batch_.points.distributions.size());
  batch_.points.distributions.push_back(std::move(row.distribution));
}

// Prometheus sends exemplars apart from the samples that they belong to: then a row carries their series alone.
void WriteBuilder::read_exemplar(Series& series, std::string_view message) {
  model::Exemplars& e = batch_.points.exemplars;
  const Sample sample = read_value(message, 2);
  std::vector<Attribute> labels;
  UnixNanos time = 0;
  if (e.point.size() - series.first_exemplar >= limits_.exemplars_per_series_max) return note(Note::exemplars, 1);
  if (version_ == WriteVersion::two) {
    const Refs refs = read_refs(message, labels);
    if (refs != Refs::good) return note(refs == Refs::bad ? Note::references : Note::labels_over, 1);
  } else if (!read_labels(message, 1, labels)) {
    return note(Note::labels_over, 1);
  }
  for (const Attribute& a : labels)
    if (a.key.size() > limits_.name_bytes_max || a.value.size() > limits_.value_bytes_max || !is_utf8(a.key) ||
        !is_utf8(a.value))
      return note(Note::labels, 1);
  if (!good_time(sample.time_ms, time)) return;
  if (series.samples == 0 && series.metric < 0) {
    push_row(series, time, 0);
    batch_.points.flags.back() = Points::carrier | Points::no_recorded_value;
  }
  if (series.metric < 0) return note(Note::exemplars, 1);  // all its samples were rejected
  e.point.push_back(static_cast<uint32_t>(batch_.points.size() - 1));
  e.time.push_back(time);
  e.value.push_back(sample.value);
  e.int_value.push_back(0);
  e.is_int.push_back(0);
  e.trace_id.push_back(trace_id_of(value_of(labels, "trace_id")));
  e.span_id.push_back(span_id_of(value_of(labels, "span_id")));
  for (const Attribute& a : labels) e.attributes.push(a);
  e.attributes.end_row();
  charged_ += exemplar_bytes + labels.size() * sizeof(Attribute);
}

void WriteBuilder::read_family(std::string_view message) {
  model::Family family;
  uint64_t type = 0;
  pbf_reader r(message.data(), message.size());
  while (r.next()) {
    switch (r.tag_and_type()) {
      case varint(1):
        type = r.get_uint64();
        break;
      case bytes(2):
        family.name = view_of(r);
        break;
      case bytes(4):
        family.help = view_of(r);
        break;
      case bytes(5):
        family.unit = view_of(r);
        break;
      default:
        r.skip();
    }
  }
  add_family(family, type);
}

void WriteBuilder::add_family(model::Family family, uint64_t type) {
  if (family.name.empty() || family.name.size() > limits_.name_bytes_max) return;
  if (!is_utf8(family.name) || !is_utf8(family.help) || !is_utf8(family.unit)) return;
  family.type = family_types[type < family_types.size() ? type : 0];
  family.help = utf8_prefix(family.help, limits_.value_bytes_max);
  family.unit = utf8_prefix(family.unit, limits_.name_bytes_max);
  charged_ += sizeof(family);
  batch_.points.families.push_back(family);
}

Result<model::Batch> decode_write(std::string body, const WriteLimits& limits, WriteVersion version) {
  return WriteBuilder(limits, version).read(std::move(body));
}

}  // namespace hs::wire::prometheus
