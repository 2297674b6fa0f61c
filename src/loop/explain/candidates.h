#pragma once
// From where an excess starts to ranked causes.

#include <map>
#include <vector>

#include "loop/detect/detector.h"
#include "loop/explain/blame.h"
#include "loop/types.h"
#include "stream/frame.h"

namespace hs::loop {

struct Gathered {  // the symptoms of one cause and where their excess starts, shares summing to 1
  std::vector<const Symptom*> symptoms;
  std::map<Origin, double> blame;
};

std::vector<Cause> rank(const Detector& detector, const Gathered& gathered,
                        const std::vector<stream::RecentChange>& recent, int64_t now);

}  // namespace hs::loop
