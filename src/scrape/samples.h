#pragma once
// From what a target answered to what is stored: its labels, relabelling, limits, stale markers, and the samples that
// tell of the scrape itself. Pure but for the target's memory.

#include <vector>

#include "scrape/target.h"
#include "wire/prometheus/exposition.h"

namespace hs::scrape {

// A scrape, as it went.
struct Scrape {
  int64_t time_ms = 0;  // of its samples
  double duration_s = 0;
  Status status;                                               // why it failed
  std::shared_ptr<const wire::prometheus::Exposition> answer;  // none when it failed
};

struct Samples {
  std::vector<wire::prometheus::WriteEncoder> parts;  // requests below 4 MiB
  Status status;                                      // the scrape's, or the limit that it broke
  uint64_t scraped = 0, kept = 0, added = 0;
};

Samples samples_of(Target& target, const Scrape& scrape);
// The end of a target: stale markers for all that it had, and for what told of its scrapes.
Samples end_of(Target& target, int64_t time_ms);

// What the answer said of its families.
std::map<std::string, Metadata> metadata_of(const wire::prometheus::Exposition& answer);

}  // namespace hs::scrape
