#pragma once
// Prometheus remote write 1.0 and 2.0: the body of a request becomes a batch.
// https://prometheus.io/docs/specs/prw/remote_write_spec/, .../remote_write_spec_2_0/, and prompb/ of Prometheus 3.14.
//
// A label set is a series of kind `untyped`: its name is __name__, its attributes are the other labels, sorted. The
// resource is made of `job` (service.name) and `instance` (service.instance.id), which stay labels too. Native
// histograms become Distributions: exponential ones with OTLP's bucket offsets (one less than Prometheus'), those with
// custom buckets with scale -53. Values keep all their bits: a stale marker is a NaN of its own.
//
// Version 2 keeps texts in one table of symbols, tells metadata with each series (which become one family for all
// series of a name, without _bucket, _count and _sum where the type is a histogram's or a summary's), and start times.
//
// Pure: the same body and bounds always give the same batch; the journal's replay rests on it.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "model/batch.h"

namespace hs::wire::prometheus {

struct WriteLimits {
  // Memory of the decoded columns, beside the body. A sample of a series costs some 100 bytes and 48 for each label.
  size_t decoded_bytes_max = 256 << 20;
  uint32_t labels_per_series_max = 256;  // far beyond what any exporter has; each is compared at each query
  size_t name_bytes_max = 1024;          // of metrics and labels: they go into dictionaries, which live long
  size_t value_bytes_max = 16 << 10;     // of a label
  uint32_t exemplars_per_series_max = 1024;
  // Dense: a gap between two spans costs what it skips. 64 octaves at the finest resolution; beyond: rejected.
  uint32_t buckets_per_histogram_max = 16'384;
  // Samples outside of [oldest, newest] are rejected: nobody can mean them, or retention would drop them at once.
  UnixNanos oldest = 0, newest = INT64_MAX;
  // Windows of time (window_s long) that one request may touch: each makes a block of its own in the store.
  uint32_t windows_max = 128;
  int64_t window_s = 6 * 3600;
};

enum class WriteVersion : uint8_t { one = 1, two = 2 };  // prometheus.WriteRequest, io.prometheus.write.v2.Request

// `body` is the protobuf message, not compressed any more; it becomes the batch's.
//
// Errors: invalid_argument (no protobuf, or nothing of it can be taken), too_large (decoded_bytes_max). Otherwise the
// batch holds what could be taken; Batch::rejected counts samples, histograms and exemplars that could not, and
// rejected_why says why.
Result<model::Batch> decode_write(std::string body, const WriteLimits& limits,
                                  WriteVersion version = WriteVersion::one);

}  // namespace hs::wire::prometheus
