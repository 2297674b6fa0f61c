#include "model/batch.h"

namespace hs::model {

std::string_view name_of(Signal signal) {
  switch (signal) {
    case Signal::traces:
      return "traces";
    case Signal::metrics:
      return "metrics";
    case Signal::logs:
      return "logs";
  }
  return "unknown";
}

size_t Batch::size() const {
  switch (signal) {
    case Signal::traces:
      return spans.size();
    case Signal::metrics:
      return points.size() + points.families.size();
    case Signal::logs:
      return logs.size();
  }
  return 0;
}

}  // namespace hs::model
