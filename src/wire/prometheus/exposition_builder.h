#pragma once
// An exposition while it is read. Internal to wire/prometheus.

#include "wire/prometheus/exposition.h"

namespace hs::wire::prometheus {

class ExpositionBuilder {
 public:
  explicit ExpositionBuilder(const ExpositionLimits& limits) : limits_(limits) {}

  Exposition out;

  bool add_label(std::string_view name, std::string_view value) {
    if (out.labels.items.size() - row_begin() > limits_.labels_per_sample_max) return false;
    out.labels.push({name, value});
    charged_ += sizeof(model::Attribute);
    return true;
  }
  // Ends the row whose labels were added.
  void end_sample(double value, int64_t time_ms, int64_t start_ms = 0) {
    out.labels.end_row();
    out.value.push_back(value);
    out.time_ms.push_back(time_ms);
    out.start_ms.push_back(start_ms);
    out.histogram.push_back(Exposition::no_histogram);
    charged_ += row_bytes;
  }
  void end_histogram(std::string message, int64_t time_ms, int64_t start_ms) {
    end_sample(0, time_ms, start_ms);
    out.histogram.back() = static_cast<uint32_t>(out.histograms.size());
    charged_ += message.capacity() + sizeof(message);
    out.histograms.push_back(std::move(message));
  }
  void add_exemplar(Exposition::Exemplar exemplar) {
    charged_ += sizeof(exemplar) + exemplar.labels.size() * sizeof(model::Attribute);
    out.exemplars.push_back(std::move(exemplar));
  }
  Exposition::Family& family(std::string_view name) {
    if (out.families.empty() || out.families.back().name != name) {
      out.families.push_back({.name = name});
      charged_ += sizeof(Exposition::Family);
      family_first_ = out.size();
    }
    return out.families.back();
  }
  size_t family_first() const { return family_first_; }  // the first sample after the family's first line
  bool within_budget() const { return charged_ + out.arena.bytes() <= limits_.decoded_bytes_max; }
  const ExpositionLimits& limits() const { return limits_; }

 private:
  static constexpr size_t row_bytes = 40;
  size_t row_begin() const { return out.labels.ends.empty() ? 0 : out.labels.ends.back(); }
  const ExpositionLimits& limits_;
  size_t charged_ = 0, family_first_ = 0;
};

Status read_text(std::string_view body, bool open_metrics, ExpositionBuilder& builder);
Status read_protobuf(std::string_view body, ExpositionBuilder& builder);

}  // namespace hs::wire::prometheus
