#pragma once
// Consistent probability sampling (model/sampling.h): all agents and services with one ratio keep the same traces, and
// what a kept span stands for is written into its tracestate.

#include <string>

#include "wire/otlp/rewrite.h"

namespace hs::agent {

struct SampleOptions {
  double ratio = 1;          // of traces that are kept
  bool keep_errors = false;  // spans with an error are kept, and stand for what they stood for before
  bool active() const { return ratio < 1; }
};

// Whether the span is kept; writes its new threshold into `trace_state`. A span that was sampled harder before stays as
// it is: it would have been kept.
bool keep(const wire::otlp::Edits::Span& span, std::string& trace_state, const SampleOptions& options);

}  // namespace hs::agent
