#pragma once
// Where symptoms come from. The excess of each symptom (errors, time, silence) is followed down the call graph to where
// it starts: to a service's own work, to a peer without spans, to an edge, to calls that became more. Symptoms whose
// excess starts at the same place share a cause; each cause is then ranked against what else could explain it: one
// instance, a recent change, a surge of load, retries, an attack. Pure.

#include <string>
#include <vector>

#include "base/time.h"
#include "loop/detect/detector.h"
#include "loop/types.h"
#include "stream/frame.h"

namespace hs::loop {

inline constexpr size_t causes_max = 40;        // shown of one explanation; the rest have next to no probability
inline constexpr int64_t change_reach_s = 300;  // a change before the onset by more than that is not suspected
inline constexpr int64_t excess_window_s = 45;  // an excess is measured over so much of the symptom's newest time

struct Explanation {
  std::vector<Cause> causes;          // by probability, falling; they sum to at most 1
  std::vector<std::string> symptoms;  // ids of the active symptoms that share it
};

// Every active symptom is in exactly one explanation. Two faults at once are two explanations; a caller that suffers
// belongs to its callee's.
std::vector<Explanation> explain(const Detector& detector, const std::vector<const Symptom*>& active,
                                 const std::vector<stream::RecentChange>& recent, UnixNanos now);

}  // namespace hs::loop
