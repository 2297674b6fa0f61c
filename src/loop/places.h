#pragma once
// The outcomes of one frame come from few places (service, operation, knob), again and again: what is kept of a place
// is looked up once a frame, by hash. Valid as long as the frame, and what the values point to, stay as they are.

#include <cstddef>
#include <string_view>
#include <unordered_map>

#include "base/hash.h"
#include "stream/frame.h"

namespace hs::loop {

template <class T>
class Places {
 public:
  // `first()` is what is kept of a place that was not seen before.
  template <class First>
  T& of(const stream::Outcome& o, const First& first) {
    const Place place{o.service, o.operation, o.knob};
    const auto found = known_.find(place);
    return found != known_.end() ? found->second : known_.emplace(place, first()).first->second;
  }

 private:
  struct Place {
    std::string_view service, operation, knob;
    bool operator==(const Place&) const = default;
  };
  struct Hash {
    size_t operator()(const Place& p) const { return hash64(p.knob, hash64(p.operation, hash64(p.service))); }
  };
  std::unordered_map<Place, T, Hash> known_;
};

}  // namespace hs::loop
