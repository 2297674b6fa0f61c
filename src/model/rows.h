#pragma once
// Taking rows out of a batch.

#include <string_view>

#include "model/batch.h"

namespace hs::model {

// Point r goes when bit r % 8 of byte r / 8 of `rows` is set, with its exemplars. Descriptors, distributions and
// families stay. `rows` may be shorter than the points: the rest stays.
void remove_points(Points& points, std::string_view rows);

}  // namespace hs::model
