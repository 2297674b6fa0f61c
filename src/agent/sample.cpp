#include "agent/sample.h"

#include <algorithm>

#include "model/sampling.h"

namespace hs::agent {

bool keep(const wire::otlp::Edits::Span& span, std::string& trace_state, const SampleOptions& options) {
  const uint64_t threshold = model::threshold_for(options.ratio);
  model::TraceId id{};
  const bool has_id = span.trace_id.size() == id.size();
  if (!has_id || (options.keep_errors && span.error))
    return true;  // without an id the receiver rejects it, and says so
  if (model::stated_threshold(trace_state).value_or(0) >= threshold) return true;
  std::copy(span.trace_id.begin(), span.trace_id.end(), id.begin());
  if (model::stated_randomness(trace_state).value_or(model::random_bits(id)) < threshold) return false;
  trace_state = model::with_threshold(trace_state, threshold);
  return true;
}

}  // namespace hs::agent
