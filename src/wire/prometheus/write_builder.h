#pragma once
// A remote write request while it becomes a batch. Internal to wire/prometheus.

#include <array>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/protobuf.h"
#include "model/batch.h"
#include "wire/prometheus/remote_write.h"

namespace hs::wire::prometheus {

using protobuf::bytes;
using protobuf::fixed64;
using protobuf::varint;
using protobuf::view_of;
using pbf_reader = protobuf::Reader;

// Calls f(tag_and_type, bytes) for each length-delimited field.
template <class F>
void for_each_message(std::string_view message, F f) {
  pbf_reader r(message.data(), message.size());
  while (r.next()) {
    const uint32_t field = r.tag_and_type();
    if (r.wire_type() == protozero::pbf_wire_type::length_delimited)
      f(field, view_of(r));
    else
      r.skip();
  }
}

// Where a TimeSeries keeps its parts; what is inside them is the same in both versions, but for labels and start times.
struct Tags {
  uint32_t sample, histogram, exemplar;
};
constexpr Tags tags_of(WriteVersion version) { return version == WriteVersion::one ? Tags{2, 4, 3} : Tags{2, 3, 4}; }

// Why something was rejected.
enum class Note : uint8_t {
  no_name,
  labels,
  references,
  labels_over,
  size,
  too_old,
  too_new,
  windows,
  histogram,
  exemplars,
  count_
};

// One native histogram as it came; read_histogram() fills it in.
struct HistogramRow {
  model::Distribution distribution;
  int64_t time_ms = 0, start_ms = 0;
  bool good = true;
};
HistogramRow read_histogram(std::string_view message, uint32_t buckets_max);

class WriteBuilder {
 public:
  WriteBuilder(const WriteLimits& limits, WriteVersion version);
  Result<model::Batch> read(std::string body);

 private:
  // A label set, checked; `items` are its labels but the name.
  struct Series {
    std::string_view name, job, instance;
    std::vector<model::Attribute> items;
    uint64_t samples = 0, exemplars = 0;  // in the message
    int64_t metric = -1;                  // not added yet
    int64_t created_ms = 0;               // start time of all samples that tell none: version 2 before its last draft
    size_t first_exemplar = 0;
  };

  bool labels_of(std::string_view message, Series& series);
  void read_series(std::string_view message);
  void read_family(std::string_view message);
  void add_family(model::Family family, uint64_t type);
  void read_sample(Series& series, std::string_view message);
  void read_native(Series& series, std::string_view message);
  void read_exemplar(Series& series, std::string_view message);
  bool read_labels(std::string_view message, uint32_t tag, std::vector<model::Attribute>& items);
  // Version 2 (remote_write_v2.cpp): texts are references into the request's symbols.
  void read_symbols(std::string_view request);
  enum class Refs : uint8_t { good, bad, too_many };
  Refs read_refs(std::string_view message, std::vector<model::Attribute>& items);
  void read_head(std::string_view message, Series& series);
  void read_metadata(const Series& series, std::string_view message);
  std::string_view symbol(uint64_t ref) const { return ref < symbols_.size() ? symbols_[ref] : std::string_view(); }

  bool valid(Series& series);
  bool good_time(int64_t time_ms, UnixNanos& time);
  void push_row(Series& series, UnixNanos time, int64_t start_ms);
  uint32_t metric_of(Series& series);
  uint32_t resource_of(std::string_view job, std::string_view instance);
  void note(Note why, uint64_t n) { notes_[static_cast<size_t>(why)] += n, batch_.rejected += n; }
  bool reject(Note why, const Series& series);  // false
  bool within_budget() const { return charged_ <= limits_.decoded_bytes_max; }
  Result<model::Batch> finish();

  const WriteLimits& limits_;
  const WriteVersion version_;
  const Tags tags_ = tags_of(version_);
  model::Batch batch_;
  std::array<uint64_t, static_cast<size_t>(Note::count_)> notes_{};
  std::array<std::string_view, static_cast<size_t>(Note::count_)> first_{};  // whose series, in the body
  size_t charged_ = 0;
  std::unordered_map<uint64_t, uint32_t> resources_, metrics_;  // bounded by the memory budget, as what follows
  std::vector<std::string_view> symbols_;
  std::unordered_set<uint64_t> families_;  // version 2 repeats them with each series
  std::unordered_set<int64_t> windows_;    // at most windows_max
};

}  // namespace hs::wire::prometheus
