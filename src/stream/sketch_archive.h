#pragma once
// A sketch as bytes (base/archive.h).

#include "base/archive.h"
#include "stream/sketch.h"

namespace hs::stream {

template <class A>
void fields(A& a, Sketch& v) {
  Sketch::Buckets buckets = v.buckets();
  double zeros = v.zeros(), sum = v.sum(), count = v.count();
  archive::all(a, buckets, zeros, sum, count);
  if constexpr (A::reads) v = Sketch::from(std::move(buckets), zeros, sum, count);
}

}  // namespace hs::stream
